"""A no in the forge that never reaches git: hidden, crowded out, or taken for something else.

Beside it, what would make an old or later review say more than its author did.
"""

import contextlib
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from interlock.bridge.port import Pull
from interlock.evidence.http import SourceRefused
from support import facts, policies
from support.forgetown import (
    FORGE,
    HEAD,
    NEXT,
    START,
    Town,
    agent_file,
    documents,
    pull,
    review,
    town,
)


@pytest.fixture
def place(tmp_path: Path) -> Town:
    return town(tmp_path)


async def test_too_many_files_hide_no_rejection(place: Town) -> None:
    """After the approvals, somebody pushes what no list of files holds."""
    await place.look(review("quality-1"))

    async def files(pull: object) -> list[str]:
        raise SourceRefused("lists more than 2000 entries")

    place.forge.files = files  # type: ignore[method-assign,assignment]
    place.forge.listed = [pull(head=NEXT)]
    await place.look(review("quality-1", "withdrawn"))
    await place.look(review("quality-1", "withdrawn"), review("ot-safety-1", "reject"))
    assert await place.words() == [
        ("quality-1", "approve"),
        ("quality-1", "revoke"),
        ("ot-safety-1", "reject"),
    ]
    assert "2000 entries" in place.forge.comments[-1]


async def test_too_many_events_hide_no_rejection_and_approve_nothing(place: Town) -> None:
    """Who had a hand in it is read from a list that everybody may make longer."""

    async def hands(pull: object) -> object:
        raise SourceRefused("lists more than 2000 entries")

    place.forge.hands = hands  # type: ignore[method-assign,assignment]
    await place.look(review("quality-1"), review("ot-safety-1", "reject"))
    assert await place.words() == [("ot-safety-1", "reject")]
    assert "who pushed" in place.forge.comments[-1]


async def test_a_dismissal_is_not_hidden_by_a_later_approval_that_counts_not(
    place: Town,
) -> None:
    await place.look(review("quality-1"))
    place.forge.listed = [pull(head="c" * 40)]
    later = review("quality-1", "approve", 1, commit=NEXT)
    await place.look(review("quality-1", "withdrawn"), later)
    assert await place.words() == [("quality-1", "approve"), ("quality-1", "revoke")]


async def test_a_rejection_of_a_commit_that_the_forge_forgot_is_of_the_head(place: Town) -> None:
    place.forge.commits[""] = {facts.PATH: agent_file(riskTier="safety")}
    await place.look(review("quality-1", "reject", commit=""))
    assert await place.words() == [("quality-1", "reject")]


async def test_an_old_review_is_no_fresh_approval(place: Town) -> None:
    """However late the bridge sees it: what is written ends when the review does."""
    old = review("quality-1", at=START - timedelta(hours=71))
    await place.look(old, review("ot-safety-1", at=START - timedelta(hours=72)))
    (found,) = await place.recorded()
    assert found.person == "quality-1"
    assert found.not_after == facts.at(f"{START:%FT%TZ}", hours=1)


async def test_nobody_keeps_a_rejection_out_by_filling_the_ref(place: Town) -> None:
    await place.look(review("quality-1"))
    ref = f"refs/approvals/{facts.CONTENT}"
    blob, folder = place.repo.blob(b"{}"), place.repo.tree(("100644", "x", place.repo.blob(b"")))
    mode, _, sha, name = place.repo.git("ls-tree", ref).split(maxsplit=3)
    junk = [("100644", f"0{n}.json", blob) for n in range(62)]
    tree = place.repo.tree(*junk, (mode, name, sha), ("040000", "folder", folder))
    place.repo.commit_tree(tree, ref=ref)
    await place.look(review("quality-1"), review("ot-safety-1", "reject"))
    assert "ot-safety-1." in place.repo.git("ls-tree", "--name-only", ref)
    assert await place.words() == []


async def test_a_file_that_comes_late_is_read_when_it_is_there(place: Town) -> None:
    files = place.forge.commits.pop(HEAD)
    await place.look(review("quality-1"))
    place.forge.commits[HEAD] = files
    await place.look()
    assert await place.words() == [("quality-1", "approve")]


async def test_one_teams_hanging_repository_keeps_no_other_from_being_read(
    tmp_path: Path,
) -> None:
    """A look ends after its time; the next one begins with whom the last one did not reach."""
    made = documents()
    team = made["namespaces"]["namespaces"]
    slow = f"{FORGE}/a-slow/agents.git"
    team["a-slow"] = {"environment": "test", "repositories": [{"url": slow, "approvals": slow}]}
    team[policies.NAMESPACE] = team.pop(policies.NAMESPACE)  # the slow one comes first
    place = town(tmp_path, namespaces=made["namespaces"])
    pulls = place.forge.pulls

    async def hanging(repository: str, since: datetime) -> list[Pull]:
        if repository == "a-slow/agents":
            raise TimeoutError  # what ends a look
        return await pulls(repository, since)

    place.forge.pulls = hanging  # type: ignore[method-assign]
    place.forge.said = [review("ot-safety-1", "reject")]
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            await place.look()
    assert await place.words() == [("ot-safety-1", "reject")]
