"""Ends a sandbox with a running pod and tells what is left of it; a process of its own.

It lives in a network of its own that outlives the sandbox, as a machine's network would. Prints
what there was while the sandbox was up and what there is afterwards.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from interlock_sandbox.node.cgroups import hierarchies, name
from interlock_sandbox.node.netns import own_network
from interlock_sandbox.process import marked
from interlock_sandbox.sandbox import Sandbox
from support.onnode import Workload, in_cgroup

_PATIENCE = 30.0  # seconds
Traces = Mapping[str, list[str]]


def ended(how: str) -> Mapping[str, Traces]:
    """What a process that runs `main` told: traces by `up` and `left`."""
    done = subprocess.run(
        (sys.executable, "-m", "support.node_end", how),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: Mapping[str, Traces] = json.loads(done.stdout)
    return told


def traces(home: Path) -> Traces:
    """All that the sandbox in `home` shows of itself on this machine."""
    mounts = Path("/proc/mounts").read_text()
    groups = [root / name(home) for root in hierarchies(mounts)]
    return {
        "processes": [str(pid) for pid in marked(home)],
        "containers": [str(pid) for pid in in_cgroup(name(home))],
        "mounts": [line for line in mounts.splitlines() if home.name in line],
        "cgroups": [str(group) for group in groups if group.exists()],
        "interfaces": [name for _, name in socket.if_nameindex() if name != "lo"],
        "tables": _said("nft", "list", "tables"),
        "routes": _said("ip", "route"),
        "folder": [str(home)] if home.exists() else [],
    }


def wait_until_gone(home: Path) -> Traces:
    """What is left when all is gone, or when patience is."""
    deadline = time.monotonic() + _PATIENCE
    while any((left := traces(home)).values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _said(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def main(how: str) -> None:
    """`asked` ends it as a `with` block does; `killed` kills the supervisor without a word."""
    own_network()
    with Sandbox(("node", "registry")) as sandbox:
        Workload.deploy(sandbox, "press")
        up = traces(sandbox.home)
        if how == "killed":
            os.kill(sandbox.state.supervisor, signal.SIGKILL)
            wait_until_gone(sandbox.home)
    print(json.dumps({"up": up, "left": wait_until_gone(sandbox.home)}))


if __name__ == "__main__":
    main(sys.argv[1])
