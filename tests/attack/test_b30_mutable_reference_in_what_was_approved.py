"""What was approved names a tag, an alias or a URL, and what that leads to is replaced.

ATLAS AML.T0109. People approve digests: an open reference passes no gate, however many approve it,
and another digest is another content.
"""

from typing import Any

import pytest

from interlock import gates
from interlock.api.facts import Pin
from interlock.api.reasons import Reason
from interlock.api.values import Outcome
from support.facts import IMAGE, TREE, good_facts, pins, quality, safety, spec, subject
from support.policies import good_policy

OTHER = "0d" * 32
IMAGE_NAME = "registry.example/agents/press-scheduler:1.4.2"
MODEL = spec()["model"]


def approved(changed: Any, **facts: Any) -> dict[str, Any]:
    """What each gate says of a content that everybody approved as it is."""
    both = [quality(subject=changed.digest), safety(subject=changed.digest)]
    results = gates.judge(good_facts(subject=changed, approvals=both, **facts), good_policy())
    return {result.gate: result for result in results} | {"verdict": gates.verdict(results)}


@pytest.mark.parametrize(
    ("pin", "field"),
    [
        ("image", {"image": IMAGE_NAME}),
        ("model.tree", {"model": {k: v for k, v in MODEL.items() if k != "tree"}}),
        (
            "model.volume",
            {"model": MODEL | {"volume": "registry.example/models/press-scheduler:prod"}},
        ),
        ("prompts[system].digest", {"prompts": [{"name": "system", "version": "3"}]}),
        ("knowledge[manuals].digest", {"knowledge": [{"name": "manuals"}]}),
    ],
)
def test_what_is_open_is_blocked_however_many_approve_it(pin: str, field: dict[str, Any]) -> None:
    seen = [p for p in pins() if p.name != pin] + [Pin(name=pin, expected="", got=f"sha256:{TREE}")]
    found = approved(subject(**field), pins=seen)
    assert found["change-approval"].outcome is Outcome.PASS
    assert (found["verdict"], found["pins"].reason) == ("Blocked", Reason.PIN_MISSING)
    assert pin in found["pins"].message


def test_an_alias_is_open() -> None:
    moving = Pin(name="model.version", expected="", got="12")
    assert approved(subject(), pins=[*pins(), moving])["verdict"] == "Blocked"


@pytest.mark.parametrize(
    "field",
    [
        {"image": f"{IMAGE_NAME}@sha256:{OTHER}"},
        {"model": MODEL | {"tree": f"sha256:{OTHER}"}},
        {"model": MODEL | {"version": "13"}},
        {"prompts": [{"name": "system", "version": "3", "digest": f"sha256:{OTHER}"}]},
        {"knowledge": [{"name": "manuals", "digest": f"sha256:{OTHER}"}]},
    ],
)
def test_what_it_leads_to_now_is_another_content(field: dict[str, Any]) -> None:
    results = gates.judge(good_facts(subject=subject(**field)), good_policy())
    (answer,) = (result for result in results if result.gate == "change-approval")
    assert answer.outcome is Outcome.WAIT
    assert answer.message.startswith("0 of 2")


def test_a_registry_that_has_something_else_by_now_makes_the_pin_false() -> None:
    seen = [
        p.model_copy(update={"got": f"sha256:{OTHER}"}) if IMAGE in p.got else p for p in pins()
    ]
    found = approved(subject(), pins=seen)
    assert (found["verdict"], found["pins"].reason) == ("Blocked", Reason.PIN_MISMATCH)
