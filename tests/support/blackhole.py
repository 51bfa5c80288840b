"""Servers that accept and never answer: the worst way for a source to be down."""

import selectors
import socket
import threading
from pathlib import Path
from typing import Self


class Blackhole:
    """Listens on a Unix socket, or on a free port of loopback, for the duration of a `with`."""

    def __init__(self, path: Path | None = None) -> None:
        if path:
            path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._socket.bind(str(path) if path else ("127.0.0.1", 0))
        self._socket.listen(128)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._open: list[socket.socket] = []
        self.connections = 0
        """How many there ever were."""

    @property
    def port(self) -> int:
        """Its port, where it has one."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address, where it has a port."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.send(b".")
        self._thread.join(10)
        for one in (*self._open, self._socket, self._wake, self._woken):
            one.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._socket, selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while not any(key.fileobj is self._woken for key, _ in ready.select()):
                self._open.append(self._socket.accept()[0])
                self.connections += 1
