"""A name that begins like a granted one is not granted."""

from typing import Any

import pytest

from interlock.api.values import Outcome
from interlock.gates.grants import evaluate
from support.facts import IMAGE, good_facts, subject
from support.policies import documents, good_policy


@pytest.mark.parametrize(
    "image",
    [
        "registry.example/agents-evil/press",
        "registry.example.evil.example/agents/press",
        "registry.example:5000/agents/press",
        "registry.example/other/agents/press",
        "registry.example/agents/../models/press",
    ],
)
def test_an_image_beside_the_granted_folder(image: str) -> None:
    facts = good_facts(subject=subject(image=f"{image}@sha256:{IMAGE}"))
    assert evaluate(facts, good_policy()).outcome is Outcome.FAIL


def test_a_tag_does_not_make_an_image_granted() -> None:
    spaces = documents()["namespaces"]
    spaces["namespaces"]["line-4"]["grants"]["images"] = ["registry.example/agents/press"]
    policy = good_policy(namespaces=spaces)

    def outcome(image: str) -> Outcome:
        return evaluate(
            good_facts(subject=subject(image=f"{image}@sha256:{IMAGE}")), policy
        ).outcome

    assert outcome("registry.example/agents/press:1.0") is Outcome.PASS
    assert outcome("registry.example/agents/press-evil:1.0") is Outcome.FAIL
    assert outcome("registry.example/agents/press/evil:1.0") is Outcome.FAIL


@pytest.mark.parametrize("name", ["line-vision-2", "line-visio", "Line-Vision", "xpress-1"])
def test_a_model_with_a_granted_name_s_beginning_or_end(name: str) -> None:
    facts = good_facts(subject=subject(model={"name": name, "version": "1"}))
    assert evaluate(facts, good_policy()).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://mes.line-4.svc:8443.evil.example",
        "https://mes.line-4.svc:8443@evil.example",
        "https://mes.line-4.svc:84430",
        "http://mes.line-4.svc:8443",
    ],
)
def test_an_endpoint_that_only_looks_granted(endpoint: str) -> None:
    tools: list[Any] = [{"name": "t", "endpoint": endpoint, "effect": "write"}]
    facts = good_facts(subject=subject(tools=tools))
    assert evaluate(facts, good_policy()).outcome is Outcome.FAIL
