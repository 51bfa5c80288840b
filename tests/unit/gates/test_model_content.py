from typing import Any

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates.model_content import evaluate
from support.facts import content, good_facts, subject
from support.policies import documents, good_policy


def judge(asked: dict[str, Any] | None = None, **changes: Any) -> GateResult:
    gates = documents()["gates"] | {"modelContent": asked or {}}
    return evaluate(good_facts(content=content(**changes)), good_policy(gates=gates))


def pickled(*imports: str, fault: str = "") -> dict[str, Any]:
    return {"pickles": [{"path": "m.pkl", "imports": list(imports), "fault": fault}]}


def test_tensors_and_text_pass() -> None:
    result = judge()
    assert (result.outcome, result.message) == (Outcome.PASS, "2 json, 1 safetensors, 4 text")


def test_an_agent_without_a_model_has_nothing_to_judge() -> None:
    result = evaluate(good_facts(subject=subject(model=None), content=None), good_policy())
    assert result.outcome is Outcome.NOT_APPLICABLE


def test_files_that_nobody_looked_at_do_not_pass() -> None:
    result = evaluate(good_facts(content=None), good_policy())
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.MODEL_REFUSED)
    assert judge(formats={}).message == "the model's files were not looked at"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (pickled(), "m.pkl is a pickle, and policy allows none"),
        (pickled("os.system"), "m.pkl is a pickle, and loading it imports os.system"),
        (
            pickled(fault="it is cut"),
            "m.pkl is a pickle, and what loading it does cannot be told: it is cut",
        ),
        (
            {"faults": [{"path": "m.gguf", "format": "gguf", "why": "it is cut"}]},
            "m.gguf is no gguf that a loader may be given: it is cut",
        ),
        (
            {"formats": {"zip": 2, "unknown": 1}, "first": {"zip": "a.pt", "unknown": "b"}},
            "policy does not allow what the model's files are: b is of no format that is known, "
            "a.pt is zip (and 1 more)",
        ),
        ({"loaders": ["evil"]}, "MLmodel has a loader import evil"),
        ({"code": ["a.py"]}, "the model brings code: a.py"),
        (
            {"loose": ["requirements.txt: a"]},
            "requirements do not pin a version with its hash: requirements.txt: a",
        ),
        ({"more": 3}, "3 findings more than are kept were made in the model's files"),
    ],
)
def test_what_is_refused_and_why(changes: dict[str, Any], message: str) -> None:
    result = judge(**changes)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.MODEL_REFUSED)
    assert result.message == message
    assert result.got
    assert result.expected
    assert result.unblock


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        ({"pickleImports": ["numpy.dtype"]}, pickled("numpy.dtype")),
        ({"pickleImports": ["numpy.*"]}, pickled("numpy.dtype", "numpy.ndarray")),
        ({"formats": ["zip"]}, {"formats": {"zip": 1}}),
        ({"loaders": ["mlflow.onnx"]}, {"loaders": ["mlflow.onnx"]}),
        ({"code": True}, {"code": ["a.py"]}),
        ({"looseRequirements": True}, {"loose": ["requirements.txt: a"]}),
    ],
)
def test_what_policy_allows_passes(asked: dict[str, Any], changes: dict[str, Any]) -> None:
    assert judge(asked, **changes).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        ({"pickleImports": ["numpy.*"]}, pickled("numpy.dtype", "os.system")),
        ({"pickleImports": ["numpy"]}, pickled("numpy.dtype")),
        ({"pickleImports": ["*"]}, pickled("numpy.dtype", fault="it is cut")),
        ({"loaders": ["mlflow"]}, {"loaders": ["mlflow.onnx"]}),
        ({"formats": []}, {}),
    ],
)
def test_what_policy_allows_is_no_more(asked: dict[str, Any], changes: dict[str, Any]) -> None:
    assert judge(asked, **changes).outcome is Outcome.FAIL


def test_a_tier_may_have_limits_of_its_own() -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"]["evidence"] = {"modelContent": {"formats": ["text"]}}
    assert evaluate(good_facts(), good_policy(tiers=tiers)).outcome is Outcome.FAIL
