"""The cluster through the user's own kubectl, so that login, proxies and plugins just work.

Only `kubectl get --raw` and `kubectl create --raw` are used: they print the API server's JSON as
it is, need no discovery, and are therefore fast.
"""

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from interlock.api import names
from interlock.cli.exits import Failed, Refused
from interlock.cli.tables import printable

Object = dict[str, Any]
OURS = f"/apis/{names.API_VERSION}"
REQUEST_SECONDS = 15
_SAID = re.compile(r"Error from server(?: \((\w+)\))?: (.*)", re.S)
_NO = frozenset({"Forbidden", "Invalid", "BadRequest", "AlreadyExists", "Conflict"})


class Forbidden(Refused):
    """RBAC or an admission policy says no."""


class Kubectl:
    """Runs kubectl with the flags that the user gave."""

    def __init__(self, kubeconfig: str = "", context: str = "", namespace: str = "") -> None:
        flags = {"--kubeconfig": kubeconfig, "--context": context}
        self._flags = [f"{flag}={value}" for flag, value in flags.items() if value]
        self._namespace = namespace

    @property
    def namespace(self) -> str:
        """The namespace that was asked for, or that of the current context."""
        if not self._namespace:
            words = ("config", "view", "--minify", "--output=jsonpath={..namespace}")
            found = self._start(words, "").stdout.decode().strip()
            self._namespace = found or "default"
        return self._namespace

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object | None:
        """Return what the API server says at a path; None where there is no such object."""
        asked = f"{path}?{urlencode(query)}" if query else path
        done = self._start(("get", f"--request-timeout={REQUEST_SECONDS}s", "--raw", asked), "")
        if done.returncode != 0:
            self._refused(done.stderr)
            return None
        return _object(done.stdout)

    def items(self, path: str) -> list[Object]:
        """Return the objects of a collection; none where there is no such collection."""
        found = self.get(path)
        return list((found or {}).get("items") or [])

    def create(self, path: str, obj: Object) -> Object:
        """Create an object in a collection. Raises Refused with the API server's sentence."""
        words = ("create", "--raw", path, "-f", "-")
        done = self._start(words, json.dumps(obj))
        if done.returncode != 0:
            self._refused(done.stderr)
            raise Failed(f"the API server knows no {path}. Are Interlock's kinds installed?")
        return _object(done.stdout)

    def wait(
        self, path: str, obj: Object, done: Callable[[Object], bool], seconds: int
    ) -> Object | None:
        """Return an object of a collection as soon as it is `done`; None if it is not in time."""
        if done(obj):
            return obj
        meta = obj["metadata"]
        query = {
            "fieldSelector": f"metadata.name={meta['name']}",
            "resourceVersion": str(meta["resourceVersion"]),
        }
        with self.watch(path, query, seconds) as events:
            return next((event for _, event in events if done(event)), None)

    @contextmanager
    def watch(
        self, path: str, query: Mapping[str, str], seconds: int
    ) -> Iterator[Iterator[tuple[str, Object]]]:
        """Give the events of a watch, (type, object), until it ends or `seconds` are over."""
        asked = f"{path}?{urlencode({'watch': 'true', 'timeoutSeconds': str(seconds), **query})}"
        process = subprocess.Popen(self._command(("get", "--raw", asked)), stdout=subprocess.PIPE)
        # The server ends the watch in time; a server that hangs must not hang us.
        timer = threading.Timer(seconds + REQUEST_SECONDS, process.kill)
        timer.start()
        try:
            yield _events(process)
        finally:
            timer.cancel()
            process.kill()
            process.communicate()

    def _command(self, words: Sequence[str]) -> list[str]:
        return [os.environ.get("KUBECTL") or "kubectl", *self._flags, *words]

    def _start(self, words: Sequence[str], stdin: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                self._command(words), input=stdin.encode(), capture_output=True, check=False
            )
        except FileNotFoundError:
            raise Failed("kubectl was not found. Put it on PATH, or name it in $KUBECTL.") from None

    def _refused(self, stderr: bytes) -> None:
        """Return for an object that is not there; raise what else kubectl said."""
        text = printable(stderr.decode(errors="replace").strip())
        found = _SAID.search(text)
        reason, message = (found[1] or "", found[2].strip()) if found else ("", text)
        if reason == "NotFound":
            return
        if reason == "Forbidden":
            raise Forbidden(message)
        raise (Refused if reason in _NO else Failed)(message or "kubectl said nothing")


def collection(plural: str, namespace: str) -> str:
    """Return the path of our kind's collection in a namespace."""
    return f"{OURS}/namespaces/{namespace}/{plural}"


def _events(process: "subprocess.Popen[bytes]") -> Iterator[tuple[str, Object]]:
    for line in process.stdout or ():
        event = _object(line)
        if event.get("type") == "ERROR":
            raise Failed(
                f"the API server ended the watch: {event.get('object', {}).get('message')}"
            )
        yield str(event.get("type")), event.get("object") or {}


def _object(data: bytes) -> Object:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failed(f"the API server answered what is no object: {data[:200]!r}")
    return value
