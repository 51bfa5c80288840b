"""A merge that resolves a conflict to bytes that nobody reviewed; and merges that do not."""

from pathlib import Path

import pytest

from interlock.api.values import Outcome
from interlock.evidence import agentfile
from interlock.evidence.git import Mirror
from support import facts, policies
from support.approver import Desk, desk

WHO = ("-c", "user.name=d", "-c", f"user.email={policies.email('developer-1')}")
APPROVED = facts.spec(port=9090)
CONTENT = facts.subject(port=9090).digest


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A change on a branch with both its approvals, while main went on elsewhere."""
    made = desk(tmp_path, monkeypatch)
    made.git("switch", "--quiet", "--create", "change")
    made.commit(APPROVED)
    assert made.approve("quality-1") == 0
    assert made.approve("ot-safety-1") == 0
    made.git("switch", "--quiet", "main")
    (made.clone / "README.md").write_text("more\n")
    made.git("add", "--all")
    made.git(*WHO, "commit", "--quiet", "-m", "elsewhere")
    return made


async def delivered(team: Desk, content: str) -> str | None:
    """The file of main that declares a content, as the verifier looks for it."""
    wanted = agentfile.Wanted(policies.NAMESPACE, facts.NAME, content)
    mirror = Mirror(team.clone / ".git")
    tip = await mirror.tip("refs/heads/main")
    return await agentfile.find(mirror, tip or "", "agents", wanted)


HONEST: dict[str, list[tuple[str, ...]]] = {
    "merge": [("merge", "--quiet", "--no-ff", "-m", "merge", "change")],
    "squash": [("merge", "--quiet", "--squash", "change"), ("commit", "--quiet", "-m", "squash")],
    "rebase": [("cherry-pick", "change")],
}


@pytest.mark.parametrize("kind", HONEST)
async def test_however_it_is_merged_the_same_bytes_stay_approved(team: Desk, kind: str) -> None:
    for words in HONEST[kind]:
        team.git(*WHO, *words)
    assert await delivered(team, CONTENT) == facts.PATH
    votes, _ = await team.read(CONTENT)
    judged = facts.good_facts(subject=facts.subject(port=9090))
    assert {vote.subject for vote in votes} == {judged.subject.digest}


@pytest.mark.parametrize(
    "slipped",
    [
        {"env": {"DEBUG": "1"}},
        {"mode": "autonomous"},
        {"rollback": {"allowed": False}},
    ],
)
async def test_one_more_line_in_the_merge_is_another_content(
    team: Desk, slipped: dict[str, object]
) -> None:
    team.git(*WHO, "merge", "--quiet", "--no-ff", "--no-commit", "change")
    team.write(facts.spec(port=9090, **slipped))
    team.git("add", "--all")
    team.git(*WHO, "commit", "--quiet", "-m", "Merge branch 'change'")
    evil = facts.subject(port=9090, **slipped)
    assert await delivered(team, CONTENT) is None
    assert await delivered(team, evil.digest) == facts.PATH
    assert await team.read(evil.digest) == ([], [])
    assert team.judge([]).outcome is Outcome.WAIT
