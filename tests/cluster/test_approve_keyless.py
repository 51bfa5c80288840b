"""`interlock approve --sigstore` signs at a real Sigstore and without a key; all read it."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from interlock.api.values import Outcome
from interlock.evidence import approvals
from interlock.evidence.approvalfile import Proofs
from interlock.evidence.sigstore import SigstoreVerifier
from interlock_sandbox.sigstore import identity_token
from interlock_sandbox.sigstore.part import SigstorePart
from support import facts, gitrepos, policies
from support.approver import Desk, desk
from support.parts import running
from support.signed import instance

WHO = "quality-1@line-4.example"
CONFIGS = ["sigstore_trust_config", "sigstore_trust_config_v2"]


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with running(SigstorePart(), tmp_path_factory.mktemp("sandbox")) as outputs:
        yield outputs


@pytest.fixture
def team(sigstore: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    documents = policies.documents()
    identity = {"identity": WHO, "issuer": sigstore["sigstore_issuer"]}
    documents["people"]["people"][0]["identities"] = [identity]
    root = json.loads(Path(sigstore["sigstore_trusted_root"]).read_bytes())
    return desk(tmp_path, monkeypatch, **documents | {"trusted_root": root})


def approve(team: Desk, sigstore: Mapping[str, str], config: str, who: str, *args: str) -> int:
    token = team.home / "token"
    token.write_text(identity_token(sigstore["sigstore_url"], who))
    named = ("--sigstore", sigstore[config], "--identity-token-file", str(token))
    return team.run("approve", "--serving", "none", *named, *args)


async def read(team: Desk, sigstore: Mapping[str, str]) -> tuple[list[Any], list[Any]]:
    root = Path(sigstore["sigstore_trusted_root"]).read_bytes()
    mirror = gitrepos.mirror(team.home / "mirror.git")
    ref = approvals.ref_of(facts.CONTENT)
    await mirror.fetch(team.repo.url, {ref: ref})
    proofs = Proofs(SigstoreVerifier(root), dt.datetime.now(dt.UTC))
    return await approvals.read(mirror, facts.CONTENT, proofs)


@pytest.mark.parametrize("config", CONFIGS)
async def test_an_identity_and_a_key_fill_the_quorum(
    team: Desk, sigstore: Mapping[str, str], config: str
) -> None:
    assert approve(team, sigstore, config, WHO, "--reason", "reviewed") == 0
    assert team.approve("ot-safety-1") == 0
    votes, denied = await read(team, sigstore)
    assert denied == []
    assert {vote.person: vote.strength for vote in votes} == {
        "quality-1": "sigstore",
        "ot-safety-1": "signed",
    }
    assert team.judge(votes).outcome is Outcome.PASS


async def test_an_identity_of_nobody_signs_nothing(
    team: Desk, sigstore: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert approve(team, sigstore, CONFIGS[0], "mallory@line-4.example") == 1
    said = capsys.readouterr().err
    assert "the identity mallory@line-4.example" in said
    assert "belongs to nobody in people.yaml" in said
    assert await team.read() == ([], [])


async def test_a_sigstore_that_governance_does_not_trust_is_found_before_the_push(
    sigstore: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    people = policies.documents()["people"]
    identity = {"identity": WHO, "issuer": sigstore["sigstore_issuer"]}
    people["people"][0]["identities"] = [identity]
    root = json.loads(instance().trusted_root())
    team = desk(tmp_path, monkeypatch, people=people, trusted_root=root)
    assert approve(team, sigstore, CONFIGS[0], WHO) == 3
    assert "would not be read" in capsys.readouterr().err
    assert await team.read() == ([], [])


def test_a_tier_that_wants_a_key_says_so(
    sigstore: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    documents = policies.documents()
    identity = {"identity": WHO, "issuer": sigstore["sigstore_issuer"]}
    documents["people"]["people"][0]["identities"] = [identity]
    documents["tiers"]["tiers"]["high"]["strengths"] = ["signed"]
    team = desk(tmp_path, monkeypatch, **documents)
    assert approve(team, sigstore, CONFIGS[0], WHO) == 1
    assert "leave out --sigstore" in capsys.readouterr().err


def test_a_token_that_is_none_is_said(
    team: Desk, sigstore: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    token = team.home / "token"
    token.write_text("not a token")
    named = ("--sigstore", sigstore[CONFIGS[0]], "--identity-token-file", str(token))
    assert team.run("approve", "--serving", "none", *named) == 2
    assert "identity token cannot be used" in capsys.readouterr().err
    assert team.run("approve", "--serving", "none", "--sigstore", str(token)) == 2
    assert "no Sigstore client trust configuration" in capsys.readouterr().err
