"""End-to-end tests run in a network of their own, so that any number of them fit on a machine.

The whole process moves while it collects, before anything listens: all its sandboxes, programs
and tests are then in the same network. Elsewhere than on Linux as root nothing moves, and what
needs the node is skipped.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock_sandbox.node import needs
from interlock_sandbox.node.needs import NodeError
from interlock_sandbox.node.netns import own_network
from interlock_sandbox.sandbox import Sandbox

try:
    needs.check(Path(tempfile.gettempdir()))
except NodeError as error:
    _WHY_NOT = str(error)
else:
    _WHY_NOT = ""
    own_network()


@pytest.fixture(scope="session")
def node() -> Iterator[Sandbox]:
    """A control plane with a real node, and a registry to pull from: one for the session."""
    if _WHY_NOT:
        pytest.skip(_WHY_NOT)
    with Sandbox(("node", "registry")) as up:
        yield up
