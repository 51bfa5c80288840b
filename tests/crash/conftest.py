"""A control plane of its own: here controllers die all the time."""

from collections.abc import Iterator

import pytest

from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support import policies
from support.cluster import shared_sandbox
from support.controller import CASES, quick_targets
from support.engine import Engine
from support.harness import Harness

cluster = shared_sandbox("kubernetes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full` kills before and after every write, not at a choice of them."""
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
    grant = policies.documents()["namespaces"]["namespaces"]["lab"]
    prepared.verifier.targets = quick_targets(
        ratify_within="3s", namespaces={"namespaces": dict.fromkeys(CASES, grant)}
    )
    with prepared.verifier.serving():
        yield prepared
        prepared.close()


@pytest.fixture(scope="session")
def harness(engine: Engine) -> Iterator[Harness]:
    """What plays scenarios whose controllers die."""
    harness = Harness(engine)
    yield harness
    harness.close()


@pytest.fixture(autouse=True)
def nobody_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A controller that a failed test left running would act on the next one's agents."""
    yield
    if "engine" in request.fixturenames:
        request.getfixturevalue("engine").close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Play the many cases last: each leaves an agent, and the other tests' controllers see all."""
    items.sort(key=lambda item: item.path.name == "test_kill_at_every_write.py")
