"""A real API server with its controllers and a kwok node, one for all tests of the session."""

from collections.abc import Iterator

import pytest

from interlock.api import names
from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support.cluster import shared_sandbox
from support.engine import Agent, Engine, Pair, pairs
from support.controller import TEAMS
from support.kube import Api

PAIRS = 20
_TEAMS = iter(TEAMS[PAIRS:])

cluster = shared_sandbox("kubernetes")


@pytest.fixture(scope="session")
def installed(cluster: Sandbox) -> Sandbox:
    """The cluster with Interlock's kinds, roles and policies in force, and nothing running."""
    install(cluster.kubeconfig)
    return cluster


@pytest.fixture(scope="session")
def admin(installed: Sandbox) -> Api:
    """A cluster administrator (`system:masters`)."""
    return Api.admin(installed.kubeconfig)


@pytest.fixture(scope="session")
def controller(admin: Api) -> Api:
    """The controller, by a real token of its account."""
    return admin.account(names.SYSTEM_NAMESPACE, names.CONTROLLER_ACCOUNT)


@pytest.fixture(scope="session")
def syncer(admin: Api) -> Api:
    """The git syncer, by a real token of its account."""
    return admin.account(names.SYSTEM_NAMESPACE, names.SYNCER_ACCOUNT)


@pytest.fixture(scope="session")
def engine(installed: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A controller that acts, with its own account's rights, and a verifier's double."""
    home = tmp_path_factory.mktemp("engine")
    with Engine.prepare(installed, home).acting(3.0, 0.5, 2.5) as acting:
        yield acting


@pytest.fixture(scope="session")
def ready_pairs(engine: Engine) -> list[Pair]:
    """Agents that went from one healthy revision to another."""
    return pairs(engine, TEAMS[:PAIRS])


@pytest.fixture
def pair(ready_pairs: list[Pair]) -> Pair:
    """One of them, for this test alone."""
    return ready_pairs.pop()


@pytest.fixture
def fresh(engine: Engine) -> Agent:
    """An agent that nobody has asked for anything yet, in a namespace of this test alone."""
    return engine.agent(next(_TEAMS))
