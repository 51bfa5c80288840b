"""What the node adds to the network that the sandbox runs in, and takes away again.

The node needs an address that pods can reach (a loopback one cannot be), and a route for cluster
addresses: a connection to one is routed first and sent to a pod afterwards.
"""

import errno
import socket
import subprocess
import time
from pathlib import Path

from interlock_sandbox.kubernetes import NODE_ADDRESS, SERVICE_RANGE
from interlock_sandbox.netpol.compile import TABLES as NETPOL_TABLES
from interlock_sandbox.node.needs import NodeError, program

POD_RANGE = "10.244.0.0/16"
_INTERFACE = "interlock0"
_PROXY_TABLES = ("ip kube-proxy", "ip6 kube-proxy")
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# An abstract socket belongs to its network and vanishes with its process, unlike any lock file.
_LOCK = b"\0interlock-sandbox-node"
_PATIENCE = 5.0  # seconds for the node before to be cleaned away


def claim(patience: float = _PATIENCE) -> socket.socket:
    """The lock of this network, held as long as the socket is open; NodeError if it is taken."""
    lock = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + patience
    while True:
        try:
            lock.bind(_LOCK)
            return lock
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                lock.close()
                raise NodeError(
                    "Another sandbox has a node in this network, and there can be one only. End "
                    "that one with `interlock-sandbox down`, or start this one in a network of "
                    "its own: `unshare --net`, `ip link set lo up`."
                ) from error
        time.sleep(0.05)


def prepare(home: Path) -> None:
    """Adds address and route; only for the holder of the lock."""
    if _interface_exists():  # a node before us was killed together with its reaper
        _clean()
    if any(_table_exists(table) for table in _PROXY_TABLES):
        raise NodeError(
            "This network has an nftables table `kube-proxy` already: another Kubernetes node uses "
            "it. Start the sandbox in a network of its own: `unshare --net`, `ip link set lo up`."
        )
    _remembered(home).write_text(_FORWARD.read_text())
    _FORWARD.write_text("1")
    # A bridge without ports does what a dummy interface would; more kernels have it.
    _ip("link", "add", _INTERFACE, "type", "bridge")
    _ip("address", "add", f"{NODE_ADDRESS}/32", "dev", _INTERFACE)
    _ip("link", "set", _INTERFACE, "up")
    _ip("route", "add", SERVICE_RANGE, "dev", _INTERFACE, "src", NODE_ADDRESS)


def restore(home: Path) -> None:
    """Takes away what `prepare` and the node's programs added; nothing if that was never ours."""
    if not _remembered(home).exists():
        return
    try:
        lock = claim(patience=0)
    except NodeError:  # the next node is there already, and has cleaned up after this one
        return
    with lock:
        _clean()
        _FORWARD.write_text(_remembered(home).read_text())


def _remembered(home: Path) -> Path:
    return home / "node" / "ip_forward"


def _clean() -> None:
    for table in (*_PROXY_TABLES, *NETPOL_TABLES):
        if _table_exists(table):
            _run("nft", "delete", "table", *table.split())
    if _interface_exists():
        _ip("link", "delete", _INTERFACE)


def _interface_exists() -> bool:
    return _INTERFACE in {name for _, name in socket.if_nameindex()}


def _table_exists(table: str) -> bool:
    command = (program("nft"), "list", "tables")
    tables = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return f"table {table}" in tables.splitlines()


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run((program(name), *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise NodeError(f"`{name} {' '.join(arguments)}` failed: {done.stderr.strip()}")
