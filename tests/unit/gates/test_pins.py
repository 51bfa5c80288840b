from typing import Any

from interlock.api.facts import Facts, Pin
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates.pins import evaluate
from support.facts import good_facts, pins, spec, subject
from support.policies import documents, good_policy


def bent(name: str, **changes: Any) -> Facts:
    found = [p.model_copy(update=changes) if p.name == name else p for p in pins()]
    return good_facts(pins=found)


def judge(facts: Facts) -> GateResult:
    return evaluate(facts, good_policy())


def test_true_pins_pass() -> None:
    assert judge(good_facts()).outcome is Outcome.PASS


def test_a_false_pin_names_both_digests() -> None:
    result = judge(bent("model.tree", got="sha256:" + "41" * 32))
    assert result.reason is Reason.PIN_MISMATCH
    assert result.message == "model.tree is 4141…, the file says 9f9f…"


def test_what_the_world_does_not_have_is_no_true_pin() -> None:
    result = judge(bent("image", got="", detail="no such image"))
    assert result.outcome is Outcome.FAIL
    assert result.message == "image is not there, the file says 5b5b…: no such image"


def test_a_pin_that_nobody_checked_is_refused() -> None:
    result = judge(good_facts(pins=pins()[1:]))
    assert result.reason is Reason.PIN_MISSING
    assert "image" in result.message


def test_a_pin_compared_with_another_digest_than_the_spec_s_is_refused() -> None:
    other = "sha256:" + "41" * 32
    result = judge(bent("model.tree", got=other, expected=other))
    assert result.reason is Reason.PIN_MISSING


def test_where_people_approve_an_unpinned_reference_is_refused() -> None:
    open_ = subject(prompts=[{"name": "system", "version": "3"}])
    found = [p for p in pins() if "prompts" not in p.name]
    found.append(Pin(name="prompts[system].digest", expected="", got="sha256:" + "a1" * 32))
    result = judge(good_facts(subject=open_, pins=found))
    assert result.reason is Reason.PIN_MISSING
    assert result.message == "not pinned: prompts[system].digest"


def test_an_alias_is_not_pinned() -> None:
    moving = Pin(name="model.version", expected="", got="12")
    result = judge(good_facts(pins=[*pins(), moving]))
    assert result.message == "not pinned: model.version"


def test_where_nobody_approves_the_controller_may_pin() -> None:
    low = documents()["namespaces"]
    low["namespaces"]["line-4"]["minimumTier"] = "low"
    open_ = subject(riskTier="low", prompts=[{"name": "system", "version": "3"}])
    found = [p for p in pins() if "prompts" not in p.name]
    found.append(Pin(name="prompts[system].digest", expected="", got="sha256:" + "a1" * 32))
    policy = good_policy(namespaces=low)
    assert evaluate(good_facts(subject=open_, pins=found), policy).outcome is Outcome.PASS


def test_even_there_a_reference_to_nothing_is_refused() -> None:
    low = documents()["namespaces"]
    low["namespaces"]["line-4"]["minimumTier"] = "low"
    open_ = subject(riskTier="low", prompts=[{"name": "system", "version": "3"}])
    found = [p for p in pins() if "prompts" not in p.name]
    found.append(Pin(name="prompts[system].digest", expected="", got=""))
    result = evaluate(good_facts(subject=open_, pins=found), good_policy(namespaces=low))
    assert result.reason is Reason.PIN_MISMATCH


def test_a_model_without_its_volume_is_not_what_a_pod_can_mount() -> None:
    model = {key: value for key, value in spec()["model"].items() if key != "volume"}
    found = [pin for pin in pins() if pin.name != "model.volume"]
    result = judge(good_facts(subject=subject(model=model), pins=found))
    assert result.message == "not pinned: model.volume"
