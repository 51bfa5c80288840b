"""The cluster through the user's own kubectl, so that login, proxies and plugins just work.

`kubectl get --raw` and `kubectl create --raw` print the API server's JSON as it is, need no
discovery, and are therefore fast. `kubectl patch` has no such form and is used where it must be.
"""

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode

from interlock.api import names
from interlock.cli.exits import Failed, Refused
from interlock.cli.tables import printable

Object = dict[str, Any]
T = TypeVar("T")
OURS = f"/apis/{names.API_VERSION}"
REQUEST_SECONDS = 15
SHORT_LIVED = {"GOGC": "off"}
"""A kubectl that prints one answer ends before it has garbage; collecting takes a third of it."""
FIELD_MANAGER = "kubectl-interlock"
_SAID = re.compile(r"Error from server(?: \((\w+)\))?: (.*)", re.S)
_NO = frozenset({"Forbidden", "Invalid", "BadRequest", "AlreadyExists", "Conflict"})


class Forbidden(Refused):
    """RBAC or an admission policy says no."""


class Kubectl:
    """Runs kubectl with the flags that the user gave."""

    def __init__(
        self,
        kubeconfig: str = "",
        context: str = "",
        namespace: str = "",
        *,
        patience: float | None = None,
    ) -> None:
        # `patience`: seconds after which kubectl is stopped. Without it a login takes its time.
        flags = {"--kubeconfig": kubeconfig, "--context": context}
        self._flags = [f"{flag}={value}" for flag, value in flags.items() if value]
        self._namespace = namespace
        self._patience = patience
        self._watches: set[subprocess.Popen[bytes]] = set()
        self._closed = False

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

    def patch(self, resource: str, name: str, body: Object) -> Object | None:
        """Merge fields into an object of ours; return it, or None where it is not there."""
        flags = [f"--namespace={self.namespace}", "--type=merge", "--output=json"]
        flags += [f"--field-manager={FIELD_MANAGER}", f"--patch={json.dumps(body)}"]
        done = self._start(("patch", *flags, "--", f"{resource}.{names.GROUP}", name), "")
        if done.returncode != 0:
            self._refused(done.stderr)
            return None
        return _object(done.stdout)

    def within(self, namespace: str) -> "Kubectl":
        """Return the same kubectl in another namespace."""
        other = Kubectl(namespace=namespace, patience=self._patience)
        other._flags = self._flags
        return other

    def delete(self, path: str) -> None:
        """Ask for an object to be deleted; one that is gone is fine."""
        done = self._start(("delete", "--raw", path), "")
        if done.returncode != 0:
            self._refused(done.stderr)

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

    def close(self) -> None:
        """End every watch that runs, and let none begin; for another thread to call."""
        self._closed = True
        for process in tuple(self._watches):
            process.kill()

    @contextmanager
    def watch(
        self, path: str, query: Mapping[str, str], seconds: int
    ) -> Iterator[Iterator[tuple[str, Object]]]:
        """Give the events of a watch, (type, object), until it ends or `seconds` are over."""
        asked = f"{path}?{urlencode({'watch': 'true', 'timeoutSeconds': str(seconds), **query})}"
        process = subprocess.Popen(
            self._command(("get", "--raw", asked)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._watches.add(process)
        if self._closed:
            process.kill()
        # The server ends the watch in time; a server that hangs must not hang us.
        timer = threading.Timer(seconds + REQUEST_SECONDS, process.kill)
        timer.start()
        try:
            yield self._events(process)
        finally:
            timer.cancel()
            process.kill()
            process.communicate()
            self._watches.discard(process)

    def _events(self, process: "subprocess.Popen[bytes]") -> Iterator[tuple[str, Object]]:
        for line in process.stdout or ():
            event = _object(line)
            if event.get("type") == "ERROR":
                message = event.get("object", {}).get("message")
                raise Failed(f"the API server ended the watch: {message}")
            yield str(event.get("type")), event.get("object") or {}
        if process.wait() > 0:  # not where the server ended it in time, or we did
            self._refused(process.stderr.read() if process.stderr else b"")

    def _command(self, words: Sequence[str]) -> list[str]:
        return [os.environ.get("KUBECTL") or "kubectl", *self._flags, *words]

    def _start(self, words: Sequence[str], stdin: str) -> subprocess.CompletedProcess[bytes]:
        command, data = self._command(words), stdin.encode()
        try:
            return subprocess.run(
                command,
                input=data,
                capture_output=True,
                check=False,
                timeout=self._patience,
                env=SHORT_LIVED | os.environ,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"kubectl did not answer within {self._patience} s") from None
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


def together(*asks: Callable[[], T]) -> list[T]:
    """Ask several things at once: each costs a start of kubectl."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a single ask needs none

    with ThreadPoolExecutor(len(asks)) as pool:
        return [each.result() for each in [pool.submit(ask) for ask in asks]]


def _object(data: bytes) -> Object:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failed(f"the API server answered what is no object: {data[:200]!r}")
    return value
