"""What lies below refs/approvals counts only if a key signed just that, for just this purpose."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from interlock.evidence import approvals
from interlock.evidence.statement import Refused
from support.facts import CONTENT
from support.gitrepos import Repo, mirror
from support.policies import ssh_key
from support.sshkeys import by_ed25519, envelope, pae, statement

REF = approvals.ref_of(CONTENT)
KEY = ssh_key("quality-1")
SAID = statement("quality-1", "quality")
GOOD = envelope(SAID, KEY)


@pytest.mark.parametrize(
    "options",
    [{"namespace": "git"}, {"namespace": "file"}, {"hash_name": "sha1"}, {"hash_name": "md5"}],
)
def test_a_signature_for_another_purpose_or_over_a_weak_hash(options: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="BadSignature"):
        approvals.parse(envelope(SAID, KEY, **options), CONTENT)


def test_a_payload_swapped_under_the_signature() -> None:
    whole = json.loads(GOOD)
    payload = json.dumps(statement("quality-1", "quality", environment="test")).encode()
    whole["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(Refused, match="BadSignature"):
        approvals.parse(json.dumps(whole).encode(), CONTENT)


def test_a_signature_over_the_bare_payload_without_its_type() -> None:
    whole = json.loads(GOOD)
    payload = base64.b64decode(whole["payload"])
    assert payload in pae(payload)
    bare = by_ed25519(KEY, payload)
    whole["signatures"] = [{"sig": base64.b64encode(bare.encode()).decode()}]
    with pytest.raises(Refused, match="BadSignature"):
        approvals.parse(json.dumps(whole).encode(), CONTENT)


def test_an_approval_moved_to_another_content_s_ref() -> None:
    with pytest.raises(Refused, match="WrongSubject"):
        approvals.parse(GOOD, "ab" * 32)


async def read(tmp_path: Path, *entries: tuple[str, str, bytes]) -> tuple[list[Any], list[Any]]:
    repo = Repo(tmp_path / "approvals.git")
    made = [(mode, name, _stored(repo, mode, data)) for mode, name, data in entries]
    repo.commit_tree(repo.tree(*made), ref=REF)
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {REF: REF})
    return await approvals.read(mine, CONTENT)


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
    found, denied = await approvals.read(mine, CONTENT)
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
    found, _ = await approvals.read(mine, CONTENT)
    assert [one.person for one in found] == ["quality-1"]
