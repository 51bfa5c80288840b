"""A small workload on the real node: the sample agent, restricted, with an image volume."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from interlock_sandbox.agentimage import push_agent
from interlock_sandbox.images import push_image
from interlock_sandbox.sandbox import Sandbox

MODEL = {"config.json": b'{"kind": "press"}', "weights.safetensors": b"\0" * 64}
_PATIENCE = 20.0  # seconds
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def get(url: str) -> str:
    """The body that a GET of `url` is answered with."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_PATIENCE) as answer:
        return str(answer.read().decode())


def in_cgroup(part: str) -> list[int]:
    """The processes whose cgroup has `part` in its path."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if part in (folder / "cgroup").read_text():
                found.append(int(folder.name))
    return found


@contextmanager
def listening(address: str) -> Iterator[int]:
    """The port of an HTTP server of this process on `address`, where everything is found."""
    with HTTPServer((address, 0), _Outside) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Outside(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(b"from outside")

    def log_message(self, *_: object) -> None:
        """Stays quiet."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One Deployment of one pod and its Service, in a namespace of the same name."""

    sandbox: Sandbox
    name: str
    image: str
    model: str

    @classmethod
    def deploy(cls, sandbox: Sandbox, name: str, repository: str = "models/press") -> "Workload":
        """Pushes agent and model, applies all objects, and returns when the pod is ready."""
        registry = sandbox.outputs["registry"]
        model = f"{registry}/{repository}@{push_image(registry, repository, MODEL)}"
        made = cls(sandbox, name, push_agent(registry, version=f"1-{name}"), model)
        objects = {"apiVersion": "v1", "kind": "List", "items": made._objects()}
        sandbox.kubectl("apply", "-f", "-", stdin=json.dumps(objects))
        made.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
        return made

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints, as administrator in the workload's namespace."""
        return self.sandbox.kubectl(f"--namespace={self.name}", *arguments)

    @property
    def pod(self) -> dict[str, Any]:
        """Its one pod."""
        listed = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        assert len(listed) == 1, listed
        found: dict[str, Any] = listed[0]
        return found

    @property
    def pid(self) -> int:
        """The process of its container, as this machine sees it."""
        container = self.pod["status"]["containerStatuses"][0]["containerID"]
        return in_cgroup(container.removeprefix("containerd://"))[0]

    def url(self, path: str) -> str:
        """The address of `path` by its Service's cluster address."""
        address = self.kubectl("get", "service", self.name, "-o", "jsonpath={.spec.clusterIP}")
        return f"http://{address}:8080{path}"

    def asks(self, url: str, seconds: float = _PATIENCE) -> str:
        """What `url` answers to one who asks from inside the pod; TimeoutError if nothing."""
        code = "import sys; from support.onnode import get; print(get(sys.argv[1]), end='')"
        inside = ("nsenter", "--target", str(self.pid), "--net", "--", sys.executable, "-c", code)
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        try:
            done = subprocess.run(
                (*inside, url), capture_output=True, text=True, check=True, timeout=seconds, env=env
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{url} did not answer within {seconds} s") from error
        return done.stdout

    def ask(self, path: str) -> str:
        """What the workload answers through its Service's cluster address, asked from here.

        kube-proxy takes up a new endpoint within a second; until then it refuses.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return get(self.url(path))
            except urllib.error.URLError as error:
                refused = isinstance(error.reason, ConnectionRefusedError)
                if not refused or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _objects(self) -> list[Mapping[str, Any]]:
        labels = {"app": self.name}
        named = {"name": self.name, "namespace": self.name}
        template = {"metadata": {"labels": labels}, "spec": self._pod_spec()}
        return [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": self.name, "labels": _RESTRICTED},
            },
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": named,
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": named,
                "spec": {"selector": labels, "ports": [{"port": 8080}]},
            },
        ]

    def _pod_spec(self) -> Mapping[str, Any]:
        probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
        container = {
            "name": "agent",
            "image": self.image,
            "readinessProbe": probe,
            "securityContext": _SECURITY,
            "volumeMounts": [{"name": "model", "mountPath": "/models/press", "readOnly": True}],
        }
        model = {"name": "model", "image": {"reference": self.model, "pullPolicy": "IfNotPresent"}}
        return {
            "containers": [container],
            "volumes": [model],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
        }
