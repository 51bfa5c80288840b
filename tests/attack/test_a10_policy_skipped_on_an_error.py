"""Whatever breaks while evidence is judged, the answer is no.

CVE-2025-46342: an error inside of the engine left the policy out, and the request passed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sigstore.errors import Error, MetadataError
from sigstore.models import Bundle, TransparencyLogEntry
from sigstore.verify import Verifier

from interlock import gates
from interlock.api.values import Outcome
from interlock.evidence import leaf, managed, sigstore
from interlock.evidence.sigstore import Refusal
from interlock_sandbox.sigstore import Recipe
from support import facts, plant, policies, signed
from support import managed as keys

ERRORS = [
    ValueError("x"),
    TypeError("x"),
    KeyError("x"),
    AttributeError("x"),
    AssertionError(),
    RecursionError("x"),
    MemoryError(),
    StopIteration(),
    OSError("x"),
    Error("x"),
    MetadataError("x"),
]
PLACES: list[tuple[Any, str]] = [
    (sigstore, "_check_form"),
    (sigstore, "_check_stamps"),
    (sigstore, "_check_entry"),
    (sigstore, "_verified"),
    (Bundle, "from_json"),
]
CERTIFIED: list[tuple[Any, str]] = [*PLACES, (Verifier, "verify_dsse"), (leaf, "read")]
KEYED: list[tuple[Any, str]] = [
    *PLACES,
    (TransparencyLogEntry, "_verify"),
    (managed.ManagedKeys, "signer"),
    (managed.Logged, "check"),
]


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("recipe", "place"),
    [
        *((Recipe(), place) for place in CERTIFIED),
        *((Recipe(managed=keys.release()), place) for place in KEYED),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_an_error_anywhere_in_the_verification_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, recipe: Recipe, place: tuple[Any, str], error: Exception
) -> None:
    bundle = signed.signed_image(recipe)
    monkeypatch.setattr(*place, raising(error))
    assert isinstance(keys.verifier(keys.release()).verify(bundle, signed.now()), Refusal)


@pytest.mark.parametrize(
    ("gate", "error"),
    [(gate, ERRORS[n % len(ERRORS)]) for n, (gate, _) in enumerate(gates.GATES)],
    ids=[gate for gate, _ in gates.GATES],
)
def test_an_error_in_a_gate_lets_nothing_through(
    monkeypatch: pytest.MonkeyPatch, gate: str, error: Exception
) -> None:
    broken = tuple((n, raising(error) if n == gate else g) for n, g in gates.GATES)
    monkeypatch.setattr(gates, "GATES", broken)
    every = facts.good_facts(subject=facts.subject(riskTier="unknown"))
    results = gates.judge(every, policies.good_policy())
    assert [r.outcome for r in results if r.gate == gate] == [Outcome.ERROR]
    assert gates.verdict(results) in {"Error", "Blocked"}


async def test_a_trusted_root_that_breaks_the_verifier_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = plant.plant(monkeypatch, tmp_path)
    monkeypatch.setattr(sigstore, "TrustedRoot", raising(RuntimeError("x")))
    found = await good.findings()
    assert getattr(found, "reason", "") == "SourceRefused"
