"""A file among the approvals that says nothing is named by the gate that misses an approval."""

import pytest

from interlock.api.facts import Denied
from interlock.gates.change_approval import evaluate
from support.facts import CONTENT, approval, good_facts, safety
from support.policies import good_policy


def denied(name: str, ref: str = f"refs/approvals/{CONTENT}") -> Denied:
    return Denied(
        bundle="ab" * 32, location=f"{ref}:{name}", code="BadSignature", got="x", expected="y"
    )


def test_it_is_named_after_the_people_whose_approvals_do_not_count() -> None:
    stranger = approval("zoe", "quality")
    facts = good_facts(approvals=[stranger, safety()], denied=[denied("a.dsse.json")])
    message = evaluate(facts, good_policy()).message
    assert message.index("zoe (") < message.index("a.dsse.json (BadSignature)")


@pytest.mark.parametrize("ref", ["oci", "runs/1"])
def test_what_was_denied_elsewhere_is_no_approval(ref: str) -> None:
    facts = good_facts(approvals=[safety()], denied=[denied("a.json", ref)])
    assert "a.json" not in evaluate(facts, good_policy()).message


def test_a_name_without_end_is_cut() -> None:
    facts = good_facts(approvals=[safety()], denied=[denied("n" * 500)])
    assert len(evaluate(facts, good_policy()).message) < 300
