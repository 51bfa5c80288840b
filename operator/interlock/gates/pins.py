"""What people approved is written in the file: every reference is pinned, and the pins are true.

A tag, an alias or a registry's answer may change after the approval; a digest cannot. Where people
must approve, an unpinned reference is refused here; elsewhere what cannot be mounted by digest is
refused when it is rendered.
"""

from collections.abc import Iterator
from typing import Any

from interlock.api.facts import Facts, Pin
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import digits, failed, passed, some
from interlock.policy import queries
from interlock.policy.model import Policy

NAME = "pins"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the pins of the spec against what the world serves."""
    spec = facts.subject.spec
    tier = queries.tier_policy(policy, facts.subject.namespace, str(spec.get("riskTier", "")))
    strict = tier is None or bool(tier.quorum)
    found = {pin.name: pin for pin in facts.pins}
    wanted = dict(_wanted(spec, strict))
    if unpinned := [name for name, digest in wanted.items() if strict and not digest]:
        return _missing(f"not pinned: {some(unpinned)}", some(unpinned))
    if unchecked := [name for name, digest in wanted.items() if not _checked(found, name, digest)]:
        return _missing(f"nobody checked the pins {some(unchecked)}", some(unchecked))
    if strict and (moving := [pin.name for pin in facts.pins if not pin.expected]):
        return _missing(f"not pinned: {some(moving)}", some(moving))
    if false := [pin for pin in facts.pins if not _holds(pin)]:
        return _mismatch(false)
    return passed(NAME, f"{len(facts.pins)} pins, all true")


def unpinned(spec: dict[str, Any]) -> list[str]:
    """Return what a spec names without a digest where people must approve it."""
    return [name for name, digest in _wanted(spec, strict=True) if not digest]


def _checked(found: dict[str, Pin], name: str, digest: str) -> bool:
    """Whether the verifier compared this very pin: it reads foreign bytes, we read the spec."""
    return name in found and found[name].expected == digest


def _holds(pin: Pin) -> bool:
    return pin.true or (not pin.expected and bool(pin.got))


def _mismatch(false: list[Pin]) -> GateResult:
    first = false[0]
    got = digits(first.got) if first.got else "not there"
    detail = f": {first.detail}" if first.detail else ""
    more = f" (and {len(false) - 1} more)" if len(false) > 1 else ""
    expected = f"the file says {digits(first.expected)}" if first.expected else "expected a digest"
    return failed(
        NAME,
        Reason.PIN_MISMATCH,
        f"{first.name} is {got}, {expected}{detail}{more}",
        got=first.got or "nothing",
        expected=first.expected or "a digest",
        unblock="run `interlock pin` on the file and have it approved again, or restore the source",
    )


def _missing(message: str, got: str) -> GateResult:
    unblock = "run `interlock pin` on the file and push it"
    return failed(
        NAME,
        Reason.PIN_MISSING,
        message,
        got=got,
        expected="every reference by digest",
        unblock=unblock,
    )


def _wanted(spec: dict[str, Any], strict: bool) -> Iterator[tuple[str, str]]:
    """Return each pin that must have been checked, with what the spec says there."""
    yield "image", str(spec.get("image", "")).partition("@")[2]
    if model := spec.get("model"):
        tree = str(model.get("tree", ""))
        yield "model.tree", tree
        if strict or "volume" in model:
            pinned = "@sha256:" in str(model.get("volume", ""))
            yield "model.volume", tree if pinned else ""
    for prompt in spec.get("prompts", []):
        yield f"prompts[{prompt['name']}].digest", str(prompt.get("digest", ""))
    for tool in spec.get("tools", []):
        if "schema" in tool:
            yield f"tools[{tool['name']}].schema.digest", str(tool["schema"].get("digest", ""))
    for rules in spec.get("policies", []):
        yield f"policies[{rules['name']}].digest", str(rules.get("digest", ""))
