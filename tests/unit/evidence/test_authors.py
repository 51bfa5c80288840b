from pathlib import Path

import pytest

from interlock.api.facts import Change
from interlock.evidence import authors
from interlock.evidence.git import CommitInfo, Mirror
from support import proofs
from support.gitrepos import MAIN, Repo, mirror
from support.policies import email, fingerprint
from support.proofs import provenance
from support.sshkeys import write_private_key

FILE = "agents/press-scheduler.yaml"
HEAD = b"tree " + b"ab" * 20 + b"\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "remote.git")


async def who(tmp_path: Path, repo: Repo, commit: str, since: str = "") -> Change:
    mine: Mirror = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {MAIN: MAIN})
    return await authors.change(mine, "https://git.example/a.git", MAIN, FILE, commit, since)


def people(change: Change) -> set[tuple[str, str]]:
    return {(one.kind, one.id) for one in change.people}


async def test_author_committer_coauthors_and_signer_are_found(tmp_path: Path, repo: Repo) -> None:
    commit = repo.commit(
        {FILE: b"1"},
        person="developer-1",
        message="change\n\nco-authored-by: B <Quality-1@Line-4.example>\n",
        key=write_private_key("sre-1", tmp_path / "key"),
        GIT_COMMITTER_EMAIL="forge@git.example",
    )
    found = await who(tmp_path, repo, commit)
    assert people(found) == {
        ("author", email("developer-1")),
        ("committer", "forge@git.example"),
        ("coauthor", email("quality-1")),
        ("signer", fingerprint("sre-1")),
    }
    assert (found.unsigned, found.complete, found.commit) == (0, True, commit)


async def test_only_commits_since_the_predecessor_that_touched_the_file(
    tmp_path: Path, repo: Repo
) -> None:
    before = repo.commit({FILE: b"1"}, person="quality-1")
    repo.commit({FILE: b"1", "other": b"x"}, person="quality-2")
    after = repo.commit({FILE: b"2", "other": b"x"}, person="developer-1")
    found = await who(tmp_path, repo, after, before)
    assert people(found) == {("author", email("developer-1")), ("committer", email("developer-1"))}
    assert found.complete
    assert found.unsigned == 1


async def test_without_a_predecessor_the_whole_history_counts(tmp_path: Path, repo: Repo) -> None:
    repo.commit({FILE: b"1"}, person="quality-1")
    last = repo.commit({FILE: b"2"}, person="developer-1")
    found = await who(tmp_path, repo, last)
    assert ("author", email("quality-1")) in people(found)
    assert found.complete


async def test_a_predecessor_that_is_not_in_the_history_leaves_it_incomplete(
    tmp_path: Path, repo: Repo
) -> None:
    last = repo.commit({FILE: b"1"}, person="quality-1")
    found = await who(tmp_path, repo, last, "ab" * 20)
    assert not found.complete
    assert ("author", email("quality-1")) in people(found)


async def test_more_commits_than_are_read_leave_it_incomplete(
    tmp_path: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authors, "MAX_COMMITS", 2)
    for n in range(3):
        last = repo.commit({FILE: b"%d" % n})
    assert not (await who(tmp_path, repo, last)).complete


async def test_whom_a_side_branch_hides_is_found(tmp_path: Path, repo: Repo) -> None:
    base = repo.commit({FILE: b"1"})
    side = repo.commit({FILE: b"2"}, ref="refs/heads/side", person="quality-1", parents=(base,))
    main = repo.commit({FILE: b"2"}, person="developer-1", parents=(base,))
    merged = repo.commit({FILE: b"2"}, person="sre-1", parents=(main, side))
    found = await who(tmp_path, repo, merged, base)
    assert ("author", email("quality-1")) in people(found)


async def test_who_brings_old_bytes_back_by_a_merge_is_found(tmp_path: Path, repo: Repo) -> None:
    old = repo.commit({FILE: b"1"})
    new = repo.commit({FILE: b"2"})
    merged = repo.commit({FILE: b"1"}, person="quality-1", parents=(new, old))
    found = await who(tmp_path, repo, merged, new)
    assert ("author", email("quality-1")) in people(found)


async def test_an_unknown_commit_is_an_incomplete_change(tmp_path: Path, repo: Repo) -> None:
    repo.commit({FILE: b"1"})
    found = await who(tmp_path, repo, "cd" * 20)
    assert (found.complete, found.people) == (False, [])


def lines(text: str) -> set[tuple[str, str]]:
    raw = HEAD + text.encode()
    return {(one.kind, one.id) for one in authors.involved(CommitInfo("ab" * 20, raw))}


def test_every_address_that_a_line_could_mean_is_taken() -> None:
    found = lines("author A <a@x> <b@x> 1 +0000\nauthor C <c@x> 1 +0000\n\nmessage")
    assert found == {("author", "a@x"), ("author", "b@x"), ("author", "c@x")}


def test_a_header_s_word_in_the_message_is_no_header() -> None:
    assert lines("author A <a@x> 1 +0000\n\nauthor B <b@x> 1 +0000") == {("author", "a@x")}


def test_coauthors_are_read_however_they_are_written() -> None:
    message = "x\n\nCO-AUTHORED-BY: a <a@x>\n  co-authored-by : b <b@x>\r\nCo-authored-by: <c@x>"
    assert {("coauthor", f"{n}@x") for n in "abc"} == lines(f"\n\n{message}") - {("author", "")}


async def test_a_change_contains_the_commits_before_it_and_no_others(
    tmp_path: Path, repo: Repo
) -> None:
    """The code of a build lies before the change that deploys it, or in no commit of its branch."""
    built = repo.commit({"code.py": b"1"}, person="developer-1")
    merged = repo.commit({"code.py": b"1", FILE: b"1"}, person="developer-1")
    aside = repo.commit(
        {"code.py": b"evil"}, person="developer-1", ref="refs/heads/aside", parents=()
    )
    mine: Mirror = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {MAIN: MAIN, "refs/heads/aside": "refs/heads/aside"})
    change = await authors.change(mine, "https://git.example/a.git", MAIN, FILE, merged, "")
    named = [built, merged, aside, "e7" * 20, "e7" * 32, ""]
    evidence = [provenance(provenance=proofs.built(commit=commit)) for commit in named]
    found = await authors.containing(mine, change, [*evidence, *evidence, proofs.sbom()])
    assert found.contains == sorted([built, merged])
    assert found.model_copy(update={"contains": None}) == change
