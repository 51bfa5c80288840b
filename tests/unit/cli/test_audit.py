"""The log's commands: an auditor's exit codes, and a follower that takes up what it sees once."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interlock.api import names
from interlock.audit.chain import Chain
from interlock.audit.follower import Follower
from interlock.audit.records import Keyring, Signer
from interlock.cli import exits, follow
from interlock.cli.main import interlock
from interlock.cluster.client import ClusterError

KEY = Ed25519PrivateKey.generate()
SIGNER = Signer(KEY)
KEYRING = Keyring([SIGNER.public])


def record(number: int, version: int = 1, **status: Any) -> dict[str, Any]:
    agent = {"namespace": "line-4", "name": "press", "uid": "u"}
    spec = SIGNER.sign("AgentTransition", {"agent": agent, "number": number})
    meta = {
        "namespace": names.agent_namespace("line-4", "press"),
        "name": f"press-{number}",
        "uid": f"uid-{number}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-20T12:00:00Z",
    }
    return {"metadata": meta, "spec": spec, "status": status}


class Cluster:
    """Lists what it is given, or fails."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = objects
        self.away = False

    async def list(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a kind: all are transitions."""
        if self.away:
            raise ClusterError(0, "away")
        return list(self.objects) if kind == "AgentTransition" else []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "public.pem"
    path.write_bytes(SIGNER.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


async def fill(log: Path, *numbers: int) -> None:
    chain = Chain.open(log)
    follower = Follower(chain, KEYRING)
    await follower.catch_up(("AgentTransition", record(number)) for number in numbers)
    chain.close()


def verify(log: Path, key: Path, *args: str) -> int:
    words = ["audit", "verify", str(log), "--public-key", str(key), *args]
    return exits.main(interlock, "interlock", words)


async def test_an_intact_log_is_exit_0(
    log: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(log, 1, 2)
    assert verify(log, key) == 0
    assert "2 lines, intact; head " in capsys.readouterr().out


async def test_a_touched_log_is_exit_2_and_names_the_line(
    log: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(log, 1, 2, 3)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[2])
    assert verify(log, key) == 2
    assert f"{log}:2: " in capsys.readouterr().out


async def test_an_end_that_was_cut_off_shows_with_the_old_head(
    log: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(log, 1, 2)
    verify(log, key, "-o", "json")
    head = json.loads(capsys.readouterr().out)["head"]
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    assert verify(log, key) == 0
    assert verify(log, key, "--head", head) == 2


def test_a_log_that_is_not_there_is_exit_3(log: Path, key: Path) -> None:
    assert verify(log, key) == 3


def test_a_key_that_is_none_is_exit_2(log: Path) -> None:
    log.write_text("")
    assert verify(log, log) == 2


async def test_a_round_takes_up_what_changed_and_nothing_twice(log: Path) -> None:
    chain = Chain.open(log)
    follower, cluster = Follower(chain, KEYRING), Cluster(record(1))
    seen = await follow._round(follower, cluster, set())  # type: ignore[arg-type]
    cluster.objects = (record(1), record(2))
    seen = await follow._round(follower, cluster, seen)  # type: ignore[arg-type]
    assert await follow._round(follower, cluster, seen) == seen  # type: ignore[arg-type]
    assert chain.length == 2
    chain.close()


async def test_what_did_not_change_is_not_looked_at_again() -> None:
    """Twice a second, with thousands of records, checking each signature would cost a core."""
    offered: list[str] = []

    class Counting(Follower):
        async def catch_up(self, objects: Any) -> int:
            offered.extend(obj["metadata"]["name"] for _, obj in objects)
            return 0

    follower, cluster = Counting.__new__(Counting), Cluster(record(1))
    seen = await follow._round(follower, cluster, set())  # type: ignore[arg-type]
    cluster.objects = (record(1), record(2), record(1, version=7))
    await follow._round(follower, cluster, seen)  # type: ignore[arg-type]
    assert offered == ["press-1", "press-2", "press-1"]


async def test_a_cluster_that_is_away_costs_a_round(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain = Chain.open(log)
    cluster = Cluster(record(1))
    cluster.away = True
    seen = {("uid-1", "1")}
    found = await follow._round(Follower(chain, KEYRING), cluster, seen)  # type: ignore[arg-type]
    assert found == seen
    assert "tried again" in caplog.text
    chain.close()


async def test_a_forged_record_is_an_alarm_once(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain = Chain.open(log)
    forged = record(1)
    forged["spec"]["number"] = 9
    follower = Follower(chain, KEYRING)
    await follow._round(follower, Cluster(forged), set())  # type: ignore[arg-type]
    told = follow._alarm(follower, set())
    follow._alarm(follower, told)
    assert caplog.text.count("is not logged") == 1
    assert chain.length == 0
    chain.close()
