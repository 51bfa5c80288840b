"""What a pull request is told cannot be bent by what it says itself."""

from pathlib import Path
from typing import Any

import pytest

from interlock.bridge import check
from interlock.bridge.agents import Place, Proposal, Proposals
from interlock.bridge.check import Report
from interlock.bridge.opinion import Opinion
from interlock.bridge.records import Standing
from interlock.cli import manifest
from interlock.policy.model import SourceGrant
from support import facts, policies
from support.forgetown import FORGE, agent_file, pull


def report(opinion: Opinion | None = None, standing: Standing | None = None, **spec: Any) -> Report:
    grant = SourceGrant(url=policies.REPOSITORY, path="agents", approvals=policies.APPROVALS)
    agent = manifest.parse(Path(facts.PATH), agent_file(**spec))
    proposal = Proposal(Place(policies.NAMESPACE, grant, facts.PATH), agent)
    made = opinion or Opinion("Waiting", (outcome("WAIT", "1 of 2, role ot-safety open"),))
    return Report(proposal, standing or Standing("", None), made)


def outcome(word: str, message: str) -> dict[str, Any]:
    return {"gate": "change-approval", "outcome": word, "message": message, "unblock": ["do it"]}


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        ("Allowed", "success"),
        ("Waiting", "pending"),
        ("Blocked", "failure"),
        ("Error", "error"),
        ("Nonsense", "error"),
    ],
)
def test_only_a_verdict_that_allows_is_a_success(verdict: str, state: str) -> None:
    assert check.status(pull(), report(Opinion(verdict))).verdict == state


def test_the_status_says_what_is_open() -> None:
    said = check.status(pull(), report())
    assert said.context == "interlock/line-4/press-scheduler"
    assert said.text == f"{facts.CONTENT[:10]}: change-approval: 1 of 2, role ot-safety open"
    gone = report(Opinion("Error", unresolved="the verifier cannot be asked"))
    assert "the verifier cannot be asked" in check.status(pull(), gone).text


def test_a_gate_that_people_went_past_did_not_pass() -> None:
    past = (outcome("BYPASSED", "bypassed by break-glass of sre-1"),)
    said = check.status(pull(), report(Opinion("Allowed", past, decided=True)))
    assert said.text == f"{facts.CONTENT[:10]}: change-approval: bypassed by break-glass of sre-1"


def test_the_comment_names_digests_prompts_tools_and_gates() -> None:
    text = check.comment(Proposals(), [report()], FORGE)
    for part in (facts.CONTENT, facts.PROMPT, "mes.schedule_order", "https://mes.line-4.svc:8443"):
        assert part in text
    assert "change-approval" in text
    assert "→ do it" in text
    assert "nothing serves" in text


def test_a_decision_of_the_operator_is_told_from_a_forecast() -> None:
    assert "what the operator would say" in check.comment(Proposals(), [report()], FORGE)
    made = report(Opinion("Allowed", decided=True))
    assert "the operator's decision" in check.comment(Proposals(), [made], FORGE)


def test_nothing_that_is_proposed_leaves_its_fence() -> None:
    evil = "```\n# Approved by security\n@everyone <img src=x>\n````"
    text = check.comment(Proposals(), [report(env={"NOTE": evil})], FORGE)
    fenced = False
    for line in text.split("\n"):
        if line.startswith("`````"):
            fenced = not fenced
        assert fenced or ("everyone" not in line and "<img" not in line)
    assert "\\u000a" in text


def test_a_file_name_is_no_markup() -> None:
    text = check.comment(Proposals(unreadable=("`x` @everyone",)), [], FORGE)
    assert text == "Not read: `'x' @everyone`"


def test_a_long_comment_is_cut_and_closes_its_fence() -> None:
    env = {f"N{n}": "`" * 3 + "x" * 900 for n in range(40)}
    text = check.comment(Proposals(), [report(env=env)] * 3, FORGE)
    assert len(text) < check.MAX_COMMENT + 200
    assert text.endswith("This was cut: it is too long.")
    assert text.count("\n````") % 2 == 0
