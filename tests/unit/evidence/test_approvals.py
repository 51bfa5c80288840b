import base64
import json
from pathlib import Path
from typing import Any

import pytest

from interlock.evidence import approvals
from interlock.evidence.git import Mirror
from interlock.evidence.statement import Refused
from support.facts import CONTENT, NOW, at, quality
from support.gitrepos import Repo, mirror
from support.policies import fingerprint, ssh_key
from support.signed import proofs
from support.sshkeys import envelope, statement

REF = approvals.ref_of(CONTENT)
KEY = ssh_key("quality-1")
SAID = statement("quality-1", "quality")
GOOD = envelope(SAID, KEY)


async def published(tmp_path: Path, files: dict[str, bytes]) -> Mirror:
    repo = Repo(tmp_path / "approvals.git")
    repo.commit(files, ref=REF)
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {REF: REF})
    return mine


def test_a_good_envelope_is_read_in_full() -> None:
    found = approvals.parse(GOOD, CONTENT, proofs())
    assert found == quality(envelope=found.envelope, reason="reviewed")
    assert found.key == fingerprint("quality-1")


async def test_the_approvals_of_a_content_are_read_from_its_ref(tmp_path: Path) -> None:
    other = envelope(statement("ot-safety-1", "ot-safety"), ssh_key("ot-safety-1"))
    mine = await published(tmp_path, {"a.dsse.json": GOOD, "b.dsse.json": other})
    found, denied = await approvals.read(mine, CONTENT, proofs())
    assert [one.person for one in found] == sorted(
        ["quality-1", "ot-safety-1"], key=lambda p: next(f.envelope for f in found if f.person == p)
    )
    assert not denied


async def test_no_ref_is_no_approval(tmp_path: Path) -> None:
    assert await approvals.read(mirror(tmp_path / "mirror.git"), CONTENT, proofs()) == ([], [])


async def test_a_bad_file_is_denied_and_the_others_are_read(tmp_path: Path) -> None:
    mine = await published(tmp_path, {"a": GOOD, "b": b"{", "c\x1b[31m": b"x" * 70_000})
    found, denied = await approvals.read(mine, CONTENT, proofs())
    assert [one.person for one in found] == ["quality-1"]
    assert {one.code for one in denied} == {"Malformed", "TooLarge"}
    assert all(one.location.isprintable() for one in denied)


async def test_the_same_envelope_under_two_names_is_one(tmp_path: Path) -> None:
    mine = await published(tmp_path, {"a": GOOD, "b": GOOD})
    found, _ = await approvals.read(mine, CONTENT, proofs())
    assert len(found) == 1


def test_moments_are_written_one_way() -> None:
    said = statement("quality-1", "quality", notBefore="2026-11-20T11:00:00.000Z")
    assert approvals.parse(envelope(said, KEY), CONTENT, proofs()).not_before == at(NOW, hours=-1)


@pytest.mark.parametrize(
    "changes",
    [
        {"decision": "maybe"},
        {"clusters": []},
        {"clusters": "factory"},
        {"predecessor": ""},
        {"notBefore": "2026-11-20"},
        {"notBefore": "2026-11-20T12:00:00"},
        {"notAfter": "2026-02-30T12:00:00Z"},
        {"notAfter": None},
        {"nonce": "short"},
        {"nonce": "with/slash-0123456789"},
        {"override": True},
        {"reason": "x" * 2000},
    ],
)
def test_a_predicate_that_says_too_little_or_too_much_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="Malformed"):
        approvals.parse(
            envelope(SAID | {"predicate": SAID["predicate"] | changes}, KEY), CONTENT, proofs()
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"subject": []},
        {"subject": [SAID["subject"][0], SAID["subject"][0]]},
        {"subject": [{"name": "model-tree", "digest": {"sha256": CONTENT}}]},
        {"subject": [{"name": "agent-content", "digest": {"sha256": CONTENT.upper()}}]},
        {"extra": 1},
    ],
)
def test_another_statement_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="Malformed"):
        approvals.parse(envelope(SAID | changes, KEY), CONTENT, proofs())


def bent(**changes: Any) -> bytes:
    return json.dumps(json.loads(GOOD) | changes).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        GOOD + b"x",
        GOOD.replace(b'{"payloadType"', b'{"payloadType": "x", "payloadType"', 1),
        bent(payloadType="text/plain"),
        bent(payload="!"),
        bent(signatures=[]),
        bent(signatures=json.loads(GOOD)["signatures"] * 2),
        bent(signatures=[{"sig": base64.b64encode(b"hello").decode()}]),
        bent(extra=1),
    ],
)
def test_another_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        approvals.parse(data, CONTENT, proofs())
