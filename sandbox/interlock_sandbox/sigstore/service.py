"""The local Sigstore as one HTTP server on loopback, for clients that sign for real.

`python -m interlock_sandbox.sigstore.service --dir D --port P` keeps keys and trust files in D.
"""

import argparse
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from interlock_sandbox.sigstore import identity
from interlock_sandbox.sigstore.bundle import LogVersion
from interlock_sandbox.sigstore.endpoints import Endpoints, Refused
from interlock_sandbox.sigstore.instance import Instance

MAX_REQUEST = 32 * 1024 * 1024  # bytes; a statement over a model of many files is large
HOST = "127.0.0.1"
TRUSTED_ROOT = "trusted_root.json"
TRUST_CONFIG = "trust_config.json"
TRUST_CONFIG_V2 = "trust_config_v2.json"

_JSON = "application/json"
# What parsing the sender's bytes may raise; each is the sender's fault.
_MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    UnsupportedAlgorithm,
)


def serve(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server that listens already; the caller runs it. Port 0 takes a free one."""
    instance = Instance.load_or_create(folder)
    server = _Server((HOST, port), _Handler)
    url = f"http://{HOST}:{server.server_port}"
    server.endpoints = Endpoints(instance, url)
    (folder / TRUSTED_ROOT).write_bytes(instance.trusted_root())
    (folder / TRUST_CONFIG).write_bytes(instance.trust_config(url, LogVersion.V1))
    (folder / TRUST_CONFIG_V2).write_bytes(instance.trust_config(url, LogVersion.V2))
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoints: Endpoints


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a silent connection may hold a thread
    wbufsize = -1  # one segment an answer: small writes would wait for each other's ACK
    server: _Server

    def do_GET(self) -> None:
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": lambda: identity.discovery(self._own.url),
            "/keys": lambda: identity.key_set(self._own.instance.oidc),
        }
        if answer := answers.get(self.path):
            self._send_json(200, answer())
        else:
            self._send_error(404, f"There is nothing at {self.path}.")

    def do_POST(self) -> None:
        try:
            body = self._body()
            if self.path == "/api/v1/timestamp":
                stamp = self._own.timestamp(body)
                self._send(200, stamp, "application/timestamp-reply")
            else:
                self._send_json(*self._post(json.loads(body)))
        except Refused as error:
            self._send_error(error.status, str(error))
        except _MALFORMED as error:
            self._send_error(400, f"The request is malformed: {type(error).__name__}: {error}.")

    def _post(self, request: Any) -> tuple[int, dict[str, Any]]:
        match self.path:
            case "/token":
                return 200, self._own.token(request)
            case "/api/v2/signingCert":
                return 200, self._own.certificate(request, self._bearer())
            case "/api/v1/log/entries":
                return 201, self._own.log_v1(request)
            case "/api/v2/log/entries":
                return 201, self._own.log_v2(request)
        raise Refused(404, f"There is nothing at {self.path}.")

    @property
    def _own(self) -> Endpoints:
        return self.server.endpoints

    def _body(self) -> bytes:
        size = int(self.headers.get("Content-Length", "-1"))
        if not 0 <= size <= MAX_REQUEST:
            self.close_connection = True  # what follows was not read
            raise Refused(413, f"Send Content-Length, at most {MAX_REQUEST} bytes.")
        return self.rfile.read(size)

    def _bearer(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "Send the identity token as 'Authorization: Bearer ...'.")
        return token

    def _send_error(self, status: int, message: str) -> None:
        self._send_json(status, {"code": status, "message": message})

    def _send_json(self, status: int, document: dict[str, Any]) -> None:
        self._send(status, json.dumps(document).encode(), _JSON)

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="folder for keys and trust files")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    arguments = parser.parse_args()
    arguments.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    serve(arguments.dir, arguments.port).serve_forever()


if __name__ == "__main__":
    main()
