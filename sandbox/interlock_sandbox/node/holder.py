"""The process whose end is the end of the node: first in its pid and mount namespaces.

The kernel kills everything in a pid namespace when its first process dies, however far it
has moved, and drops the mounts with the last user of a mount namespace. So nothing has to be
tidied up, even if whoever started the node was killed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from interlock_sandbox.node import cgroups, linux, network
from interlock_sandbox.node.needs import COVERED, NodeError

# kubelet insists on these, for the whole machine. It sees them so, and the machine keeps its own.
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def hold(home: Path) -> None:
    """Makes the node's namespaces and keeps them; writes `pid_file` when they can be joined."""
    with network.claim():
        network.prepare(home)
        cgroups.make(home)
        linux.unshare(linux.NEW_MOUNTS | linux.NEW_PIDS)
        ready, told = os.pipe()
        first = os.fork()
        if first == 0:
            os.close(ready)
            _be_first(home, told)
        os.close(told)
        if os.read(ready, 1):
            draft = pid_file(home).with_suffix(".new")
            draft.write_text(str(first))
            draft.rename(pid_file(home))
        os.waitpid(first, 0)


def pid_file(home: Path) -> Path:
    """Holds the id of the first process, as the machine sees it."""
    return home / "node" / "pid"


def inside(home: Path, *argv: str) -> tuple[str, ...]:
    """The command that runs `argv` in the node's namespaces."""
    join = 'exec nsenter --target "$(cat "$0")" --mount --pid -- "$@"'
    return ("sh", "-ec", join, str(pid_file(home)), *argv)


def succeeds(home: Path, *argv: str) -> bool:
    """Whether a short command in the node's namespaces ends well."""
    command = inside(home, *argv)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _be_first(home: Path, told: int) -> None:
    linux.die_with_parent()
    _mount("--make-rprivate", "/")  # nothing that is mounted here is seen outside
    _mount("-t", "proc", "proc", "/proc")
    for place in COVERED:
        own = home / "node" / place.lstrip("/")
        own.mkdir(mode=0o755, parents=True)
        _mount("--bind", str(own), place)
    for setting, value in KERNEL.items():
        pretended = home / "node" / setting.replace("/", ".")
        pretended.write_text(f"{value}\n")
        _mount("--bind", str(pretended), f"/proc/sys/{setting}")
    _mount("--make-rshared", "/")  # kubelet and containerd see each other's mounts
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are buried by the kernel
    os.write(told, b"1")
    while True:
        signal.pause()


def _mount(*arguments: str) -> None:
    subprocess.run(("mount", *arguments), check=True)


def main() -> None:
    """Holds the node of the sandbox in the folder that the command line names."""
    try:
        hold(Path(sys.argv[1]))
    except NodeError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
