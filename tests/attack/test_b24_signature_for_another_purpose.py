"""What lies below refs/approvals counts only if a key signed just that, for just this purpose."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from interlock.evidence import approvals
from interlock.evidence.approvalfile import Proofs
from interlock.evidence.sigstore import Verified
from interlock.evidence.statement import Refused
from interlock_sandbox.sigstore import Recipe
from support import managed
from support.facts import CONTENT
from support.gitrepos import Repo, mirror
from support.policies import ssh_key
from support.signed import instance, now, proofs, signed_model
from support.sshkeys import by_ed25519, envelope, pae, review, statement

REF = approvals.ref_of(CONTENT)
KEY = ssh_key("quality-1")
PERSON = Recipe(identity="quality-1@line-4.example", issuer="https://login.example")
MANAGED = Recipe(managed=managed.release())
SAID = statement("quality-1", "quality")
GOOD = envelope(SAID, KEY)


@pytest.mark.parametrize(
    "options",
    [{"namespace": "git"}, {"namespace": "file"}, {"hash_name": "sha1"}, {"hash_name": "md5"}],
)
def test_a_signature_for_another_purpose_or_over_a_weak_hash(options: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="BadSignature"):
        approvals.parse(envelope(SAID, KEY, **options), CONTENT, proofs())


@pytest.mark.parametrize("namespace", [f"{approvals.NAMESPACE}\0", "change-approval@", "*", ""])
def test_a_namespace_that_only_looks_like_ours(namespace: str) -> None:
    with pytest.raises(Refused, match="BadSignature"):
        approvals.parse(envelope(SAID, KEY, namespace=namespace), CONTENT, proofs())


def test_a_persons_key_signs_no_review_and_a_bridges_key_nothing_of_its_own() -> None:
    """Each of the two kinds has a namespace of its own, and says what it is in what is signed."""
    seen = review("quality-1", "quality")
    for said, namespace in ((seen, approvals.NAMESPACE), (SAID, approvals.FORGE_NAMESPACE)):
        with pytest.raises(Refused, match="WrongNamespace"):
            approvals.parse(envelope(said, KEY, namespace=namespace), CONTENT, proofs())
        other = {approvals.NAMESPACE, approvals.FORGE_NAMESPACE} - {namespace}
        assert approvals.parse(envelope(said, KEY, namespace=other.pop()), CONTENT, proofs())


def test_a_review_in_a_bundle_is_nobodys_word() -> None:
    data = instance().sign_statement(json.dumps(review("quality-1", "quality")).encode(), PERSON)
    with pytest.raises(Refused, match="WrongNamespace"):
        approvals.parse(data, CONTENT, proofs())


@pytest.mark.parametrize("recipe", [PERSON, MANAGED])
def test_a_bundle_made_for_a_model_is_no_approval(recipe: Recipe) -> None:
    with pytest.raises(Refused):
        approvals.parse(signed_model(recipe=recipe), CONTENT, proofs())


def test_a_key_that_governance_manages_for_evidence_is_no_person() -> None:
    """It may sign models; nobody has given it a name in people.yaml, and nobody can."""
    said = json.dumps(statement("quality-1", "quality", notAfter="2099-01-01T00:00:00Z")).encode()
    data = instance().sign_statement(said, MANAGED)
    keyed = Proofs(managed.verifier(managed.release()), now())
    assert isinstance(keyed.verifier.verify(data, now()), Verified)
    with pytest.raises(Refused, match="NotAPerson"):
        approvals.parse(data, CONTENT, keyed)


def test_a_payload_swapped_under_the_signature() -> None:
    whole = json.loads(GOOD)
    payload = json.dumps(statement("quality-1", "quality", environment="test")).encode()
    whole["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(Refused, match="BadSignature"):
        approvals.parse(json.dumps(whole).encode(), CONTENT, proofs())


def test_a_signature_over_the_bare_payload_without_its_type() -> None:
    whole = json.loads(GOOD)
    payload = base64.b64decode(whole["payload"])
    assert payload in pae(payload)
    bare = by_ed25519(KEY, payload)
    whole["signatures"] = [{"sig": base64.b64encode(bare.encode()).decode()}]
    with pytest.raises(Refused, match="BadSignature"):
        approvals.parse(json.dumps(whole).encode(), CONTENT, proofs())


def test_an_approval_moved_to_another_content_s_ref() -> None:
    with pytest.raises(Refused, match="WrongSubject"):
        approvals.parse(GOOD, "ab" * 32, proofs())


async def read(tmp_path: Path, *entries: tuple[str, str, bytes]) -> tuple[list[Any], list[Any]]:
    repo = Repo(tmp_path / "approvals.git")
    made = [(mode, name, _stored(repo, mode, data)) for mode, name, data in entries]
    repo.commit_tree(repo.tree(*made), ref=REF)
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {REF: REF})
    return await approvals.read(mine, CONTENT, proofs())


def _stored(repo: Repo, mode: str, data: bytes) -> str:
    return "ab" * 20 if mode == "160000" else repo.blob(data)


@pytest.mark.parametrize("mode", ["120000", "160000", "100755"])
async def test_a_link_or_a_program_is_no_approval(tmp_path: Path, mode: str) -> None:
    found, denied = await read(tmp_path, (mode, "a.dsse.json", GOOD))
    assert found == []
    assert [one.code for one in denied] == ["NotAFile"]


async def test_a_folder_is_no_approval(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "approvals.git")
    repo.commit({"deep/a.dsse.json": GOOD}, ref=REF)
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {REF: REF})
    found, denied = await approvals.read(mine, CONTENT, proofs())
    assert found == []
    assert [one.code for one in denied] == ["NotAFile"]


async def test_sixty_five_files_hide_nothing(tmp_path: Path) -> None:
    """Reading the first 64 would let whoever names files choose which approvals are seen."""
    files = [("100644", f"{n:02}.json", GOOD if n == 64 else b"%d" % n) for n in range(65)]
    found, denied = await read(tmp_path, *files)
    assert found == []
    assert [one.code for one in denied] == ["TooMany"]


async def test_sixty_four_files_are_read(tmp_path: Path) -> None:
    files = [("100644", f"{n:02}.json", GOOD if n == 63 else b"%d" % n) for n in range(64)]
    found, denied = await read(tmp_path, *files)
    assert len(found) == 1
    assert len(denied) == 63


async def test_names_authors_and_file_names_prove_nothing(tmp_path: Path) -> None:
    """The file is called after one person, committed by another: the key alone decides."""
    repo = Repo(tmp_path / "approvals.git")
    repo.commit({"ot-safety-1.nonce.dsse.json": GOOD}, ref=REF, person="ot-safety-1")
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {REF: REF})
    found, _ = await approvals.read(mine, CONTENT, proofs())
    assert [one.person for one in found] == ["quality-1"]
