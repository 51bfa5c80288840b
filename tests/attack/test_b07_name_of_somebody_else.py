"""Author, committer and file name are whatever somebody typed: they vouch for nobody."""

from pathlib import Path
from typing import Any

from interlock.api.facts import Approval, Involved
from interlock.api.values import GateResult, Outcome
from interlock.evidence import approvals
from interlock.gates import change_approval
from support import facts, policies
from support.facts import CONTENT
from support.gitrepos import Repo, mirror
from support.policies import email, ssh_key
from support.signed import proofs
from support.signedvotes import quorum, vote
from support.sshkeys import envelope, statement

REF = approvals.ref_of(CONTENT)


def judge(found: list[Approval], **changes: Any) -> GateResult:
    judged = facts.good_facts(approvals=found, **changes)
    return change_approval.evaluate(judged, policies.good_policy())


def test_a_forges_stand_in_for_an_address_hides_no_author() -> None:
    """GitHub and GitLab write a number in its place, at merges and for who likes it so."""
    number = policies.account("quality-1")
    people = policies.known_everywhere()["people"]
    policy = policies.good_policy(people=people)
    for host, outcome in (("forge.example", Outcome.WAIT), ("other.example", Outcome.PASS)):
        mail = f"{number}+Somebody@users.noreply.{host}"
        hands = [Involved(kind="author", id=mail)]
        judged = facts.good_facts(approvals=quorum(), change=facts.change(people=hands))
        assert change_approval.evaluate(judged, policy).outcome is outcome


async def test_a_commit_in_an_approvers_name_approves_nothing(tmp_path: Path) -> None:
    """Mallory's own statement, committed as quality-1 and signed as a commit by Mallory."""
    repo = Repo(tmp_path / "approvals.git")
    said = envelope(statement("quality-1", "quality"), ssh_key("mallory"))
    repo.commit({"quality-1.0123.dsse.json": said}, ref=REF, person="quality-1")
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {REF: REF})
    found, _ = await approvals.read(mine, CONTENT, proofs())
    assert policies.fingerprint("quality-1") not in {one.key for one in found}
    result = judge([*found, vote("ot-safety-1", "ot-safety")])
    assert result.outcome is Outcome.WAIT
    assert "belongs to nobody in people.yaml now" in result.message


def test_a_known_person_signs_as_another() -> None:
    """One of two needed persons fills both roles: the statement's name is not the key's."""
    for claimed, role in (("quality-1", "quality"), ("quality-2", "quality")):
        lie = vote(claimed, role, key="ot-safety-1")
        result = judge([lie, vote("ot-safety-1", "ot-safety")])
        assert result.outcome is Outcome.WAIT
        assert "signed with a key of ot-safety-1" in result.message


def test_an_approver_named_as_author_is_excluded_and_nobody_is_gained() -> None:
    """Spoofing an author line can only take an approval away."""
    spoofed = Involved(kind="author", id=email("quality-1").upper())
    hands = facts.change(people=[*facts.change().people, spoofed])
    result = judge(quorum(), change=hands)
    assert result.outcome is Outcome.WAIT
    assert "quality-1 (took part in the change)" in result.message
    assert judge(quorum()).outcome is Outcome.PASS


def test_an_author_who_hides_behind_another_name_still_has_one_key() -> None:
    """Committed as nobody, signed with one's own key: the signature tells."""
    hands = facts.change(
        people=[
            Involved(kind="author", id="nobody@elsewhere.example"),
            Involved(kind="signer", id=policies.fingerprint("quality-1")),
        ]
    )
    assert judge(quorum(), change=hands).outcome is Outcome.WAIT
