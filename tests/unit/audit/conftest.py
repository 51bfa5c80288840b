"""Signed records as the API server would show them, and a log that holds three of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.api.names import agent_namespace, revision_name, transition_name
from interlock.audit.chain import Chain
from interlock.audit.follower import Follower
from interlock.audit.records import Keyring, Signer, record_digest

HEX = "ab" * 32
AGENT = {"namespace": "line-4", "name": "press", "uid": "agent-uid"}
HOME = agent_namespace("line-4", "press")
AT = "2026-11-22T10:00:00Z"
Object = dict[str, Any]


def _key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


@pytest.fixture(scope="session")
def signer() -> Signer:
    """The operator's key."""
    return Signer(_key(1))


@pytest.fixture(scope="session")
def stranger() -> Signer:
    """Somebody else's key."""
    return Signer(_key(2))


@pytest.fixture(scope="session")
def keyring(signer: Signer) -> Keyring:
    """Holds the operator's key alone."""
    return Keyring([signer.public])


@pytest.fixture(scope="session")
def revision() -> Callable[[Signer], Object]:
    """Builds a signed AgentRevision."""

    def _build(signer: Signer) -> Object:
        spec = {"agent": AGENT, "content": {"x": 1.5, "ü": None}, "digest": HEX, "objects": []}
        return {
            "metadata": {
                "namespace": HOME,
                "name": revision_name("press", HEX),
                "uid": "revision",
                "creationTimestamp": AT,
            },
            "spec": signer.sign("AgentRevision", spec),
        }

    return _build


@pytest.fixture(scope="session")
def transition() -> Callable[..., Object]:
    """Builds a signed AgentTransition, as far along as asked."""

    def _build(
        signer: Signer, number: int = 1, *, ended: bool = False, healthy: bool = False
    ) -> Object:
        spec = {"agent": AGENT, "number": number, "type": "Promotion", "reason": "Promoted"}
        signed = signer.sign("AgentTransition", spec | {"at": AT})
        digest = record_digest("AgentTransition", signed)
        status: Object = {"end": signer.sign_end(digest, "Committed", AT)} if ended else {}
        status |= {"healthy": signer.sign_healthy(digest, AT)} if healthy else {}
        return {
            "metadata": {
                "namespace": HOME,
                "name": transition_name("press", number),
                "uid": f"transition-{number}",
                "creationTimestamp": AT,
            },
            "spec": signed,
            "status": status,
        }

    return _build


def _clock() -> datetime:
    return datetime(2026, 11, 22, 10, 0, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log of a test lies."""
    return tmp_path / "records.jsonl"


@pytest.fixture
def chain(path: Path) -> Iterator[Chain]:
    """An empty log."""
    opened = Chain.open(path)
    yield opened
    opened.close()


@pytest.fixture
def follower(chain: Chain, keyring: Keyring) -> Follower:
    """Feeds the empty log."""
    return Follower(chain, keyring, _clock)


@pytest.fixture(scope="session")
def history(
    signer: Signer, revision: Callable[..., Object], transition: Callable[..., Object]
) -> list[tuple[str, Object]]:
    """All records of a small agent: four events."""
    return [
        ("AgentRevision", revision(signer)),
        ("AgentTransition", transition(signer, 1, ended=True, healthy=True)),
    ]


@pytest.fixture
async def log(follower: Follower, history: list[tuple[str, Object]], path: Path) -> bytes:
    """The bytes of a log with that history."""
    assert await follower.catch_up(history) == 4
    return path.read_bytes()
