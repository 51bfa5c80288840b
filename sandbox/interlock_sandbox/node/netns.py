"""A network for this process alone, so that any number of nodes run on one machine at a time.

Bridges, routes, nftables tables and listening ports of such a network vanish with the last process
in it. Nothing outside can be reached from there, which suits tests.
"""

import subprocess
import threading
from pathlib import Path

from interlock_sandbox.node import linux


def own_network() -> None:
    """Moves this process and all that it starts later into a fresh network with a loopback.

    Call it before there are other threads and before anything listens or connects: what is open
    stays in the old network.
    """
    if threading.active_count() > 1:
        names = sorted(thread.name for thread in threading.enumerate())
        raise RuntimeError(
            f"A network of its own is for a process with one thread, this one has {names}. "
            "Move before they are started, for instance where a conftest.py is imported."
        )
    linux.unshare(linux.NEW_NETWORK)
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
