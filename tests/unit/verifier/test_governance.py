"""What governance says, or why what was verified before stays in force."""

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Config
from interlock.api.facts import Unresolved
from interlock.evidence import governance as tuf
from interlock.evidence.governance import GovernanceStale
from interlock.evidence.wire import GovernanceAnswer
from interlock.verifier import governance
from interlock.verifier.governance import Governance
from support import gitrepos
from support.gitrepos import Repo
from support.govrepo import GovRepo, govrepo
from support.policies import targets


def commit(repo: GovRepo, remote: Repo) -> None:
    files = {
        f"{folder}/{file.name}": file.read_bytes()
        for folder in ("metadata", "targets")
        for file in (repo.directory / folder).iterdir()
    }
    remote.commit(files)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Governance:
    """Governance that lies in a local git repository."""
    repo, remote = govrepo(tmp_path), Repo(tmp_path / "remote.git")
    commit(repo, remote)
    (tmp_path / "root.json").write_bytes(repo.bootstrap)
    monkeypatch.setattr(
        governance, "mirror_for", lambda folder, *_: gitrepos.mirror(folder / "mirror.git")
    )
    source = {"url": remote.url, "rootFile": str(tmp_path / "root.json")}
    config = {"governance": source, "stateDir": str(tmp_path / "state")}
    return Governance(Config.model_validate(config))


def request(metadata: Mapping[str, str] | None = None) -> bytes:
    return json.dumps({"metadata": dict(metadata or {})}).encode()


async def reason(asked: Governance, body: bytes) -> str:
    answer = await asked.answer(body)
    assert isinstance(answer, Unresolved), answer
    assert answer.message
    return answer.reason


async def test_what_was_verified_is_answered_whole(asked: Governance) -> None:
    answer = await asked.answer(request())
    assert isinstance(answer, GovernanceAnswer), answer
    assert {name: text.encode() for name, text in answer.targets.items()} == targets()
    assert answer.versions == dict.fromkeys(tuf.ROLES, 1)
    assert answer.expires.endswith("Z")
    again = await asked.answer(request(answer.metadata))
    assert again == answer


async def test_what_does_not_hold_keeps_the_old_in_force(
    asked: Governance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Repo(tmp_path / "remote.git").commit({"metadata/1.root.json": b"{}"})
    assert await reason(asked, request()) == "SourceRefused"

    async def stale(*_: Any) -> None:
        raise GovernanceStale("governance: timestamp.json has expired")

    monkeypatch.setattr(tuf, "fetch", stale)
    assert await reason(asked, request()) == "PolicyStale"


async def test_a_branch_that_was_rewritten_or_is_gone_is_refused(
    asked: Governance, tmp_path: Path
) -> None:
    remote = Repo(tmp_path / "remote.git")
    assert not isinstance(await asked.answer(request()), Unresolved)
    remote.commit({"a": b""}, parents=())
    assert await reason(asked, request()) == "SourceRefused"


async def test_a_git_server_that_never_answers_has_the_jobs_time(
    asked: Governance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asked._mirror, "fetch", hangs)
    monkeypatch.setattr(asked, "_seconds", 0.01)
    assert await reason(asked, request()) == "SourceUnavailable"


async def test_a_git_server_that_is_away_is_unavailable(asked: Governance, tmp_path: Path) -> None:
    (tmp_path / "remote.git").rename(tmp_path / "away.git")
    assert await reason(asked, request()) == "SourceUnavailable"


@pytest.mark.parametrize("body", [b"[]", b'{"a": 1}', b'{"metadata": {"root.json": "%"}}', b"\xff"])
async def test_a_request_that_is_none_is_invalid(asked: Governance, body: bytes) -> None:
    assert await reason(asked, body) == "Invalid"


async def test_a_root_file_that_is_not_there_is_invalid(asked: Governance, tmp_path: Path) -> None:
    (tmp_path / "root.json").unlink()
    assert await reason(asked, request()) == "Invalid"


async def test_no_governance_is_said(tmp_path: Path) -> None:
    assert await reason(Governance(Config()), request()) == "PolicyMissing"


def test_metadata_travels_as_base64() -> None:
    encoded = base64.b64encode(b"{}").decode()
    assert governance._seed(request({"timestamp.json": encoded})) == {"timestamp.json": b"{}"}
