"""A control plane of its own: here controllers die all the time."""

from collections.abc import Iterator

import pytest

from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support.cluster import shared_sandbox
from support.crash import Crasher
from support.engine import Engine

cluster = shared_sandbox("kubernetes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full` kills before and after every write, not before one and after the next."""
    parser.addoption("--full", action="store_true", help="crash tests: every write, both sides")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether every write is tried both ways."""
    return bool(request.config.getoption("--full", default=False))


@pytest.fixture(scope="session")
def engine(cluster: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A cluster with Interlock's manifests, a verifier's double, and no controller yet."""
    install(cluster.kubeconfig)
    prepared = Engine.prepare(cluster, tmp_path_factory.mktemp("crash"))
    with prepared.verifier.serving():
        yield prepared


@pytest.fixture(scope="session")
def crasher(engine: Engine) -> Iterator[Crasher]:
    """What starts controllers that die."""
    crasher = Crasher(engine)
    yield crasher
    crasher.close()
