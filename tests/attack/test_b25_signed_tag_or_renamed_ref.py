"""A ref is a name, and names move: what a signed tag or a renamed ref points to proves nothing."""

from pathlib import Path
from typing import Any

import pytest

from interlock.api import config
from interlock.bridge.service import forge as adapter
from interlock.evidence import approvals
from support import facts, forges
from support.facts import CONTENT
from support.forges.state import TOKEN, Forge
from support.forgetown import HEAD, NEXT, pull
from support.gitrepos import Repo, mirror
from support.policies import ssh_key
from support.signed import proofs
from support.sshkeys import envelope, statement, write_private_key

REF = approvals.ref_of(CONTENT)
OTHER = facts.subject(port=9090).digest
GOOD = envelope(statement("quality-1", "quality"), ssh_key("quality-1"))


async def read(tmp_path: Path, repo: Repo, content: str) -> tuple[list[Any], list[Any]]:
    mine = mirror(tmp_path / f"mirror-{content[:8]}.git")
    ref = approvals.ref_of(content)
    await mine.fetch(repo.url, {ref: ref})
    return await approvals.read(mine, content, proofs())


def tag(tmp_path: Path, repo: Repo, name: str, commit: str) -> str:
    """A tag of a commit, signed by quality-1 as `git tag -s` does; the tag object."""
    key = write_private_key("quality-1", tmp_path / "key")
    format_ = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")
    repo.git(*format_, "tag", "-s", "-m", "approved", name, commit)
    return repo.git("rev-parse", f"refs/tags/{name}")


async def test_a_tag_that_an_approver_signed_is_no_approval(tmp_path: Path) -> None:
    """Of the release itself, and put where approvals lie."""
    repo = Repo(tmp_path / "approvals.git")
    release = repo.commit({"README.md": b"release 1.4.2\n"})
    repo.git("update-ref", REF, tag(tmp_path, repo, "v1.4.2", release))
    found, denied = await read(tmp_path, repo, CONTENT)
    assert found == []
    assert denied == []  # a ref of approvals that is a tag is not even taken


@pytest.mark.parametrize("tagged", [False, True])
async def test_a_ref_that_is_renamed_carries_no_approval_along(
    tmp_path: Path, tagged: bool
) -> None:
    """The name of the ref must be what each file in it signed."""
    repo = Repo(tmp_path / "approvals.git")
    commit = repo.commit({"a.dsse.json": GOOD}, ref=REF)
    target = tag(tmp_path, repo, OTHER, commit) if tagged else commit
    repo.git("update-ref", approvals.ref_of(OTHER), target)
    found, denied = await read(tmp_path, repo, OTHER)
    assert found == []
    assert [one.code for one in denied] == ([] if tagged else ["WrongSubject"])
    assert len((await read(tmp_path, repo, CONTENT))[0]) == 1


async def test_a_tag_in_between_carries_no_approvals_that_are_there(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "approvals.git")
    commit = repo.commit({"a.dsse.json": GOOD}, ref="refs/heads/x")
    repo.git("update-ref", REF, tag(tmp_path, repo, "v1", commit))
    found, denied = await read(tmp_path, repo, CONTENT)
    assert (found, denied) == ([], [])


@pytest.mark.parametrize("name", [HEAD, f"{HEAD}/agents"])
async def test_a_tag_that_is_called_like_the_reviewed_commit_is_not_read_for_it(
    tmp_path: Path, name: str
) -> None:
    """Gitea takes it for the commit where an address says `ref=`; what was reviewed is the commit.

    Otherwise the bridge would sign an approval of the tag's file.
    """
    state = Forge(files={HEAD: {facts.PATH: b"good"}, NEXT: {facts.PATH: b"evil"}})
    state.tags = {name: NEXT}
    (tmp_path / "token").write_text(TOKEN)
    async with forges.serving(forges.gitea(state)) as api:
        whole = {"url": "https://git.example", "kind": "gitea", "api": api}
        port = adapter(config.Forge.model_validate(whole | {"tokenFile": str(tmp_path / "token")}))
        assert await port.read(pull(), HEAD, facts.PATH) == b"good"
        assert await port.folder(pull(), HEAD, "agents") == ["press-scheduler.yaml"]
        assert await port.read(pull(), "c" * 40, facts.PATH) is None
        assert await port.read(pull(), "", facts.PATH) is None
        await port.close()


async def test_a_link_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    """What it leads to is not what was reviewed, and what it says is no agent."""
    state = Forge(files={HEAD: {facts.PATH: b"elsewhere.yaml"}}, links={facts.PATH})
    (tmp_path / "token").write_text(TOKEN)
    async with forges.serving(forges.gitea(state)) as api:
        whole = {"url": "https://git.example", "kind": "gitea", "api": api}
        port = adapter(config.Forge.model_validate(whole | {"tokenFile": str(tmp_path / "token")}))
        assert await port.read(pull(), HEAD, facts.PATH) is None
        await port.close()
