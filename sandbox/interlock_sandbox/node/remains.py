"""What a node leaves outside its namespaces when it ends, taken away by whoever outlives it.

Only what no kernel takes away by itself: cgroups, and in a network that lives on, an interface
and tables.
"""

from pathlib import Path

from interlock_sandbox.node import cgroups, network


def remove(home: Path) -> None:
    """Takes away what the node of the sandbox in `home` left, if it had one; safe to repeat.

    Its processes must have been ended before.
    """
    if (home / "node").is_dir():
        network.restore(home)
        cgroups.remove(home)
