"""What a node or an engine leaves outside its namespaces, taken away by whoever outlives it.

Only what no kernel takes away by itself: cgroups, and in a network that lives on, an interface
and tables.
"""

from pathlib import Path

from interlock_sandbox.node import cgroups, network


def remove(home: Path) -> None:
    """Takes away what a node or a Docker Engine in `home` left, if it had one; safe to repeat.

    Its processes must have been ended before.
    """
    if (home / "node").is_dir():
        network.restore(home)
    if (home / "node").is_dir() or (home / "docker").is_dir():
        cgroups.remove(home)
