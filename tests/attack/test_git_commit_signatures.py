"""A commit's signature shows whose key was on it only if it is over just that commit."""

from pathlib import Path

from interlock.evidence.authors import involved
from interlock.evidence.git import CommitInfo
from support.gitrepos import MAIN, Repo, mirror
from support.policies import fingerprint, ssh_key
from support.sshkeys import by_ed25519, write_private_key

BODY = (
    b"tree " + b"ab" * 20 + b"\n"
    b"author A <a@b.example> 1700000000 +0000\n"
    b"committer A <a@b.example> 1700000000 +0000\n"
    b"\nchange\n"
)


def signed(raw: bytes, armored: str, header: bytes = b"gpgsig") -> CommitInfo:
    head, _, message = raw.partition(b"\n\n")
    value = armored.rstrip("\n").replace("\n", "\n ").encode()
    return CommitInfo("ab" * 20, head + b"\n" + header + b" " + value + b"\n\n" + message)


def signers(commit: CommitInfo) -> list[str]:
    return [one.id for one in involved(commit) if one.kind == "signer"]


def by(person: str, raw: bytes = BODY, namespace: str = "git") -> str:
    return by_ed25519(ssh_key(person), raw, namespace=namespace)


async def test_git_s_own_signature_is_read(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r.git")
    commit = repo.commit({"f": b"1"}, key=write_private_key("sre-1", tmp_path / "key"))
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {MAIN: MAIN})
    [found] = await mine.history(commit, "f")
    assert signers(found) == [fingerprint("sre-1")]


def test_a_signature_made_by_hand_is_read() -> None:
    assert signers(signed(BODY, by("sre-1"))) == [fingerprint("sre-1")]


def test_a_signature_moved_to_another_commit() -> None:
    other = BODY.replace(b"change", b"chance")
    assert signers(signed(other, by("sre-1"))) == []


def test_a_signature_made_for_an_approval() -> None:
    assert signers(signed(BODY, by("sre-1", namespace="change-approval@interlock.dev"))) == []


def test_two_signatures_are_none() -> None:
    once = signed(BODY, by("sre-1"))
    assert signers(signed(once.raw, by("quality-1"))) == []


def test_a_signature_for_the_other_hash_s_form_is_none() -> None:
    assert signers(signed(BODY, by("sre-1"), header=b"gpgsig-sha256")) == []
    once = signed(BODY, by("sre-1"))
    assert signers(signed(once.raw, by("quality-1"), header=b"gpgsig-sha256")) == []


def test_a_signature_in_the_message_is_text() -> None:
    text = BODY + b"gpgsig " + by("sre-1").encode()
    assert signers(CommitInfo("ab" * 20, text)) == []
