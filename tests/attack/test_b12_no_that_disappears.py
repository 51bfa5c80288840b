"""A no is made to disappear, so that the yes before it counts again."""

from pathlib import Path

import pytest

from interlock.api import digests
from interlock.api.facts import Approval, BrokenGlass, Findings
from interlock.api.values import GateResult, Outcome
from interlock.evidence import approvals, findings
from interlock.gates import change_approval
from support import facts, gitrepos, plant, policies
from support.approver import Desk, desk
from support.facts import NOW, at
from support.signed import proofs
from support.signedvotes import quorum, vote

LATER = {"notBefore": at(NOW, minutes=-30), "nonce": "a-no-of-quality-1"}


def judge(*found: Approval) -> GateResult:
    judged = facts.good_facts(approvals=list(found))
    return change_approval.evaluate(judged, policies.good_policy())


@pytest.mark.parametrize("decision", ["reject", "revoke"])
def test_a_no_after_ones_own_yes_vetoes(decision: str) -> None:
    no = vote("quality-1", "quality", decision=decision, **LATER)
    assert judge(*quorum(), no).outcome is Outcome.FAIL
    assert judge(*quorum()).outcome is Outcome.PASS


def test_a_third_yes_does_not_outvote_it() -> None:
    no = vote("quality-1", "quality", decision="reject", **LATER)
    other = vote("quality-2", "quality", notBefore=at(NOW, minutes=-1))
    assert judge(*quorum(), no, other).outcome is Outcome.FAIL


def test_the_yes_of_before_is_wrapped_anew_and_stays_older() -> None:
    """The same words in another file are not a newer word."""
    no = vote("quality-1", "quality", decision="reject", **LATER)
    again = vote("quality-1", "quality", reason="again")
    assert judge(*quorum(), no, again).outcome is Outcome.FAIL


def test_only_the_person_who_said_no_says_yes_again() -> None:
    no = vote("quality-1", "quality", decision="reject", **LATER)
    late = {"notBefore": at(NOW, minutes=-1), "nonce": "after-a-second-look"}
    assert judge(*quorum(), no, vote("quality-1", "quality", **late)).outcome is Outcome.PASS
    stolen = vote("quality-1", "quality", key="quality-2", **late)
    assert judge(*quorum(), no, stolen).outcome is Outcome.FAIL


async def test_a_no_that_was_read_is_not_deleted_from_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may push to the approvals repository rewrites the ref without it, or drops it."""
    team: Desk = desk(tmp_path, monkeypatch)
    ref = approvals.ref_of(facts.CONTENT)
    assert team.approve("quality-1") == 0
    before = team.repo.git("rev-parse", ref)
    assert team.say("reject", "quality-1", "--reason", "it hits the stop") == 0
    assert await decisions(team) == ["approve", "reject"]
    team.repo.git("update-ref", ref, before)
    assert await decisions(team) == ["approve", "reject"]
    team.repo.git("update-ref", "-d", ref)
    assert await decisions(team) == ["approve", "reject"]


async def test_a_no_that_came_after_the_ref_was_rewritten_is_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that goes keeps us at the old tip; a no beside it must not stay unread for that."""
    good = plant.plant(monkeypatch, tmp_path)
    content = digests.content(policies.NAMESPACE, facts.NAME, good.spec())
    repo, ref = gitrepos.Repo(tmp_path / "remote.git"), approvals.ref_of(content)
    path = tmp_path / "mirror.git"
    monkeypatch.setattr(findings, "mirror_for", lambda *_: gitrepos.mirror(path))
    namespaces = policies.documents()["namespaces"]
    source = {"url": repo.url, "path": "agents", "approvals": repo.url}
    namespaces["namespaces"][policies.NAMESPACE]["repositories"] = [source]
    targets = {name: data.decode() for name, data in plant.targets(namespaces=namespaces).items()}

    async def outcome() -> Outcome:
        found = await good.findings(targets=targets)
        assert isinstance(found, Findings), found
        both = [facts.quality(), facts.safety()]  # as if they lay in that ref
        judged = facts.good_facts(approvals=both, denied=found.denied)
        return change_approval.evaluate(judged, policies.good_policy()).outcome

    repo.commit({"approvals.json": b"{}", "mallory.json": b"{}"}, ref=ref)
    assert await outcome() is Outcome.PASS
    repo.commit({"approvals.json": b"{}", "reject.json": b"{}"}, ref=ref, parents=())
    assert await outcome() is Outcome.FAIL
    repo.git("update-ref", "-d", ref)
    assert await outcome() is Outcome.FAIL


def test_a_no_is_not_hidden_by_unknown_hands_when_glass_is_broken() -> None:
    """An unsigned commit on top, or a branch moved away, hides who made it and not who said no."""
    no = vote("quality-1", "quality", decision="reject", **LATER)
    tiers = policies.documents()["tiers"]
    tiers["tiers"]["high"]["breakGlass"] = {"allowed": True}
    policy = policies.good_policy(tiers=tiers)
    glass = [
        BrokenGlass(record=f"x-{who}", person=who, expires=at(NOW, hours=2), ticket="INC-1")
        for who in ("sre-1", "developer-1")
    ]
    for change in (None, facts.change(complete=False)):
        judged = facts.good_facts(change=change, context=facts.context(break_glass=glass))
        assert change_approval.evaluate(judged, policy).outcome is Outcome.BYPASSED
        vetoed = judged.model_copy(update={"approvals": [*quorum(), no]})
        assert change_approval.evaluate(vetoed, policy).outcome is Outcome.FAIL


@pytest.mark.parametrize("files", [64, 70])
async def test_a_no_finds_room_where_others_filled_the_ref(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """A full ref takes no more approvals; a no makes it too full for any to count."""
    team: Desk = desk(tmp_path, monkeypatch)
    ref = approvals.ref_of(facts.CONTENT)
    assert team.approve("quality-1") == 0
    old = team.repo.git("ls-tree", "-r", ref).split(maxsplit=3)
    junk = team.repo.blob(b"{}")
    entries = [("100644", f"{n:02}.json", junk) for n in range(files - 1)]
    team.repo.commit_tree(team.repo.tree(*entries, ("100644", old[3], old[2])), ref=ref)
    assert team.approve("ot-safety-1") != 0
    assert team.say("reject", "quality-1", "--reason", "it hits the stop") == 0
    assert await decisions(team) == []


async def test_a_ref_that_is_no_commit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could add a no to an annotated tag, whatever it leads to."""
    team: Desk = desk(tmp_path, monkeypatch)
    ref = approvals.ref_of(facts.CONTENT)
    assert team.approve("quality-1") == 0
    team.repo.git("tag", "-m", "mine", "v1", ref)
    team.repo.git("update-ref", ref, team.repo.git("rev-parse", "v1"))
    assert await decisions(team) == []


async def decisions(team: Desk) -> list[str]:
    """What the verifier, which has read before, reads now."""
    mirror = gitrepos.mirror(team.home / "mirror.git")
    ref = approvals.ref_of(facts.CONTENT)
    await mirror.fetch(team.repo.url, {ref: ref})
    found, _ = await approvals.read(mirror, facts.CONTENT, proofs())
    return sorted(one.decision for one in found)
