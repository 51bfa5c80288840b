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
from support.container import Live, acting
from support.controller import TEAMS
from support.engine import Engine

_TEAMS = iter(TEAMS)

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


@pytest.fixture(scope="session")
def engine(node: Sandbox) -> Iterator[Engine]:
    """A controller that acts on the node, and a verifier's double."""
    with acting(node) as running:
        yield running


@pytest.fixture
def live(engine: Engine) -> Live:
    """An agent that nobody has asked for anything yet, in a namespace of this test alone."""
    return Live.of(engine, next(_TEAMS))
