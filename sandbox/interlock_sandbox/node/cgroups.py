"""A cgroup of the node's own, under which kubelet keeps those of all pods.

So the pods of two nodes never mix, and what a killed kubelet left is found and removed by name.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path

_MOUNTS = Path("/proc/mounts")
_PATIENCE = 5.0  # seconds for the kernel to bury killed processes


def name(home: Path) -> str:
    """The cgroup of the sandbox in `home`, the same in every hierarchy."""
    return f"interlock-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"


def hierarchies(mounts: str) -> list[Path]:
    """Where cgroups are made, of version 1 (one for each controller) and version 2."""
    rows = (line.split() for line in mounts.splitlines())
    return [Path(row[1]) for row in rows if row[2] in ("cgroup", "cgroup2")]


def make(home: Path) -> None:
    """Makes the node's cgroup; kubelet wants to find it."""
    for root in hierarchies(_MOUNTS.read_text()):
        _hand_down_controllers(root)
        (root / name(home)).mkdir(exist_ok=True)


def remove(home: Path) -> None:
    """Removes the node's cgroup and all below; its processes must have been ended."""
    deadline = time.monotonic() + _PATIENCE
    own = [root / name(home) for root in hierarchies(_MOUNTS.read_text())]
    while left := [group for group in own if group.is_dir()]:
        for group in left:
            _remove_tree(group)
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _hand_down_controllers(root: Path) -> None:
    """Version 2 gives a child only what its parent hands down; version 1 has no such file."""
    control = root / "cgroup.subtree_control"
    if control.exists():
        for controller in (root / "cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):  # some are refused where real-time tasks run
                control.write_text(f"+{controller}")


def _remove_tree(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):  # busy: the next round gets it
            os.rmdir(folder)
