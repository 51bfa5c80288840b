"""A real Docker Engine of one's own: its own data, socket and processes, and no network at all.

Scanners run in it, and a scanner needs no network. So there is no bridge, no iptables rule and no
forwarding, nothing of the machine's changes, and any number of engines run beside one another.
"""

import json
import os
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from interlock_sandbox.node import cgroups
from interlock_sandbox.process import Spec

_PROGRAMS = ("dockerd", "containerd", "runc", "unshare")
_SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_NO_NETWORK = {
    "bridge": "none",
    "iptables": False,
    "ip6tables": False,
    "ip-forward": False,
    "ip-masq": False,
    "userland-proxy": False,
}
# The kernel kills every container with the namespace's first process, and drops all mounts.
_OWN_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class DockerError(RuntimeError):
    """This machine cannot run an engine as it is: what is missing and how to get it."""


def check(search: str = _SEARCH) -> None:
    """DockerError if this machine cannot run an engine."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise DockerError("A Docker Engine of the sandbox's own needs Linux and root: run as root.")
    if missing := [name for name in _PROGRAMS if not shutil.which(name, path=search)]:
        raise DockerError(
            f"A Docker Engine needs {', '.join(missing)}, not found on this machine. On Debian or "
            "Ubuntu run `apt-get install --no-install-recommends docker.io`; elsewhere see "
            "https://docs.docker.com/engine/install/."
        )


class Docker:
    """One engine; images and containers lie in the sandbox's own folder and go with it."""

    name = "docker"

    def __init__(self) -> None:
        self._socket = Path()

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program, first in namespaces of its own: whatever ends it ends its containers."""
        check()
        folder = home / self.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket = folder / "docker.sock"
        settings = folder / "daemon.json"
        settings.write_text(json.dumps(_settings(home, folder, self._socket), indent=2))
        return [
            Spec(
                name="dockerd",
                argv=(*_OWN_NAMESPACES, "dockerd", f"--config-file={settings}"),
                env={"PATH": _SEARCH},
                cwd=folder,
                ready=lambda: _answers(self._socket),
                hint="Its storage needs a file system that overlayfs can lie on, such as ext4.",
            )
        ]

    def outputs(self) -> Mapping[str, str]:
        """`docker_host`: the engine's address, as `DOCKER_HOST` says it."""
        return {"docker_host": f"unix://{self._socket}"}


def _settings(home: Path, folder: Path, endpoint: Path) -> dict[str, object]:
    return {
        "hosts": [f"unix://{endpoint}"],
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "pid"),
        "cgroup-parent": f"/{cgroups.name(home)}",
        "log-level": "warn",
        **_NO_NETWORK,
    }


class _UnixConnection(HTTPConnection):
    def __init__(self, endpoint: Path) -> None:
        super().__init__("localhost", timeout=1)
        self._endpoint = endpoint

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._endpoint))


def _answers(endpoint: Path) -> bool:
    connection = _UnixConnection(endpoint)
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
