"""The git server's process: TLS, passwords and limits in front of `git http-backend`.

Only the smart protocol and only these requests reach git: `info/refs`, upload-pack and
receive-pack of a repository whose name is plain. Everything else ends here.
"""

import base64
import binascii
import hmac
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

MAX_BODY = 256 * 1024 * 1024  # bytes of one push, as they come over the wire
IDLE_SECONDS = 60  # a client that says nothing for so long is gone
_CHUNK = 64 * 1024
_LINE = 8 * 1024
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_REPOSITORY = re.compile(rf"(?:{_NAME}/)?{_NAME}\.git")
_PATH = re.compile(
    rf"/(?P<repository>(?:{_NAME}/)?{_NAME}\.git)/"
    r"(?P<action>info/refs|git-upload-pack|git-receive-pack)"
)
_SERVICES = frozenset({"git-upload-pack", "git-receive-pack"})
_HANGS = "hang-"


@dataclass(frozen=True, slots=True)
class Account:
    """One user of the server."""

    password: str
    push: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may go to git: what is asked of which repository."""

    repository: str
    action: str
    service: str
    query: str


class Refused(Exception):
    """The request ends with this status; the text says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


def is_repository(name: str) -> bool:
    """Whether `name` can be a repository: `name.git` or `group/name.git`, plain characters."""
    return _REPOSITORY.fullmatch(name) is not None


def parse_call(method: str, target: str) -> Call:
    """What a request line asks of git; Refused for all that the smart protocol does not know."""
    url = urlsplit(target)
    match = _PATH.fullmatch(url.path)  # of the raw path: an escaped dot is no dot
    if not match:
        raise Refused(HTTPStatus.NOT_FOUND, "No such repository.")
    repository, action = match["repository"], match["action"]
    asks = action == "info/refs"  # the other two name their service themselves
    service = "".join(parse_qs(url.query).get("service", [])) if asks else action
    if service not in _SERVICES or method != ("GET" if asks else "POST"):
        raise Refused(HTTPStatus.FORBIDDEN, "Only git's smart HTTP protocol is spoken here.")
    return Call(repository, action, service, url.query)


def login(header: str | None, accounts: Mapping[str, Account]) -> str | None:
    """The user whom a Basic `Authorization` header proves, or None."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    account = accounts.get(user)
    if account and hmac.compare_digest(account.password.encode(), password.encode()):
        return user
    return None


class GitHandler(BaseHTTPRequestHandler):
    """Answers one connection: who, what, then git."""

    protocol_version = "HTTP/1.1"
    server_version = "sandbox-git"
    timeout = IDLE_SECONDS
    server: "Server"

    def do_GET(self) -> None:
        """Liveness and ref advertisements."""
        if self.path == "/healthz":
            self._say(HTTPStatus.OK, "ok")
        else:
            self._answer()

    def do_POST(self) -> None:
        """Fetches and pushes."""
        self._answer()

    def _answer(self) -> None:
        try:
            user, call = self._check()
            if call.action == "info/refs" and call.repository.split("/")[-1].startswith(_HANGS):
                self._hang()
                return
            with tempfile.TemporaryFile() as body:
                self._receive(body)
                body.seek(0)
                self._run_git(user, call, body)
        except Refused as refused:
            self._say(refused.status, str(refused))

    def _check(self) -> tuple[str, Call]:
        """User and call. Who is unknown learns nothing about paths."""
        user = login(self.headers.get("Authorization"), self.server.accounts)
        if user is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "Log in with a user name and its token.")
        call = parse_call(self.command, self.path)
        if call.service == "git-receive-pack" and not self.server.accounts[user].push:
            raise Refused(HTTPStatus.FORBIDDEN, f"{user} may fetch but not push.")
        if not (self.server.repositories / call.repository).is_dir():
            raise Refused(HTTPStatus.NOT_FOUND, "No such repository.")
        return user, call

    def _hang(self) -> None:
        """Says nothing until the client leaves."""
        self.connection.settimeout(None)
        self.rfile.read(1)
        self.close_connection = True

    def _receive(self, body: IO[bytes]) -> None:
        """Spools the body to disk, so that git reads a file and can block nobody."""
        size = 0
        for piece in self._pieces():
            size += len(piece)
            _cap(size)
            body.write(piece)

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return _chunked(self.rfile)
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,15}", length):
            raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length is not a number.")
        _cap(int(length))
        return _exactly(self.rfile, int(length))

    def _run_git(self, user: str, call: Call, body: IO[bytes]) -> None:
        command = ["git", "http-backend"]
        environment = self._environment(user, call, os.fstat(body.fileno()).st_size)
        with subprocess.Popen(command, stdin=body, stdout=subprocess.PIPE, env=environment) as git:
            assert git.stdout is not None  # noqa: S101 - we asked for a pipe
            try:
                self._relay(git.stdout)
            finally:
                git.kill()  # only one that still runs: the client went away

    def _environment(self, user: str, call: Call, size: int) -> dict[str, str]:
        """CGI's variables and nothing of our own environment, nor of anybody's git settings."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.server.repositories),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROJECT_ROOT": str(self.server.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": user,
            "REMOTE_ADDR": self.client_address[0],
            "REQUEST_METHOD": self.command,
            "PATH_INFO": f"/{call.repository}/{call.action}",
            "QUERY_STRING": call.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(size),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }

    def _relay(self, git: IO[bytes]) -> None:
        """Git's answer, chunk by chunk: its length is not known ahead."""
        headers = dict(_cgi_headers(git))
        status = HTTPStatus(int(headers.pop("Status", "200").split()[0]))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := git.read1(_CHUNK):  # type: ignore[attr-defined]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _say(self, status: HTTPStatus, text: str) -> None:
        content = f"{text}\n".encode()
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="sandbox git"')
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if status is not HTTPStatus.OK:
            self.send_header("Connection", "close")  # its body was not read
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """A thread a connection; the TLS handshake happens there, so that nobody waits for another."""

    daemon_threads = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.repositories = Path(config["repositories"])
        self.accounts = {user: Account(**about) for user, about in config["accounts"].items()}
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(config["cert"], config["key"])
        super().__init__(("127.0.0.1", config["port"]), GitHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection whose handshake is still to come."""
        plain, address = super().get_request()
        plain.settimeout(IDLE_SECONDS)
        return self._tls.wrap_socket(plain, True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line to the log: a client that leaves early is no event."""
        error = sys.exception()
        print(f"{client_address[0]}: {type(error).__name__}: {error}", file=sys.stderr)


def _cap(size: int) -> None:
    if size > MAX_BODY:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The request is larger than {MAX_BODY} bytes."
        )


def _exactly(stream: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length > 0:
        piece = stream.read(min(length, _CHUNK))
        if not piece:
            raise Refused(HTTPStatus.BAD_REQUEST, "The request ended early.")
        length -= len(piece)
        yield piece


def _chunked(stream: BufferedIOBase) -> Iterator[bytes]:
    while size := _chunk_size(stream):
        yield from _exactly(stream, size)
        stream.readline(_LINE)
    while stream.readline(_LINE).strip():  # trailers
        pass


def _chunk_size(stream: BufferedIOBase) -> int:
    text = stream.readline(_LINE).split(b";")[0].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", text):
        raise Refused(HTTPStatus.BAD_REQUEST, "A chunk does not begin with its size.")
    return int(text, 16)


def _cgi_headers(stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    while line := stream.readline(_LINE).decode("latin-1").strip():
        name, _, value = line.partition(":")
        yield name, value.strip()


def main() -> None:
    """Serves what the configuration file named on the command line describes, until killed."""
    Server(json.loads(Path(sys.argv[1]).read_bytes())).serve_forever()


if __name__ == "__main__":
    main()
