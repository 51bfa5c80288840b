"""An ssh-agent that holds a security key: what `ssh-keygen -Y sign` asks one, it answers.

The private key is a file's, the touch is a flag: a real security key differs from it in nothing
that the agent protocol (draft-miller-ssh-agent) shows.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.sshkeys import string

REQUEST_IDENTITIES, IDENTITIES_ANSWER = 11, 12
SIGN_REQUEST, SIGN_RESPONSE = 13, 14
FAILURE = 5

Sign = Callable[[bytes], bytes]


@contextmanager
def holding(path: Path, blob: bytes, sign: Sign) -> Iterator[None]:
    """Listen at `path` for one key; `sign` returns the wire form of a signature."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    thread = threading.Thread(target=_serve, args=(server, blob, sign))
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()


def _serve(server: socket.socket, blob: bytes, sign: Sign) -> None:
    with suppress(OSError):
        while True:
            peer, _ = server.accept()
            with peer, suppress(EOFError):
                while True:
                    answer = _answer(_message(peer), blob, sign)
                    peer.sendall(struct.pack(">I", len(answer)) + answer)


def _answer(message: bytes, blob: bytes, sign: Sign) -> bytes:
    if message[0] == REQUEST_IDENTITIES:
        return bytes([IDENTITIES_ANSWER]) + struct.pack(">I", 1) + string(blob) + string(b"fido")
    if message[0] == SIGN_REQUEST:
        size = struct.unpack(">I", message[1:5])[0]
        asked, rest = message[5 : 5 + size], message[5 + size :]
        length = struct.unpack(">I", rest[:4])[0]
        if asked == blob:
            return bytes([SIGN_RESPONSE]) + string(sign(rest[4 : 4 + length]))
    return bytes([FAILURE])


def _message(peer: socket.socket) -> bytes:
    return _exactly(peer, struct.unpack(">I", _exactly(peer, 4))[0])


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = peer.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
