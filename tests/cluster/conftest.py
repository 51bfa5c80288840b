"""A real API server with its controllers and a kwok node, one for all tests of the session."""

import itertools
from collections.abc import Iterator

import pytest

from interlock.api import names
from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support.cluster import shared_sandbox
from support.controller import TEAMS
from support.engine import Agent, Engine, Pair, pairs
from support.kube import Api

_TEAMS = iter(TEAMS)

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
    with Engine.prepare(installed, home).acting() as acting:
        yield acting


@pytest.fixture(scope="session")
def ready_pairs() -> list[Pair]:
    """Agents that went from one healthy revision to another; see `pair`."""
    return []


@pytest.fixture
def pair(engine: Engine, ready_pairs: list[Pair]) -> Pair:
    """One of them, for this test alone; a dozen is made as fast as one."""
    if len(ready_pairs) < 2:
        ready_pairs += pairs(engine, itertools.islice(_TEAMS, 12))
    return ready_pairs.pop()


@pytest.fixture
def fresh(engine: Engine) -> Agent:
    """An agent that nobody has asked for anything yet, in a namespace of this test alone."""
    return engine.agent(next(_TEAMS))
