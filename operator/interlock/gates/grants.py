"""A namespace runs only what governance granted it, at the risk tier that governance asks for.

First of all gates and the only one that reads nothing but the subject: nothing is fetched, with
rights that a namespace was not given, before this one passes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from interlock.api.facts import Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import failed, passed, some
from interlock.policy import queries
from interlock.policy.model import Grants, ModelGrant, NamespacePolicy, Policy

NAME = "grants"


@dataclass(frozen=True, slots=True)
class _Wish:
    """One thing that the spec names, and the grants that could cover it."""

    what: str
    name: str
    field: str
    """Where in `grants` of namespaces.yaml it belongs."""
    patterns: list[str]


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge what the spec names against the namespace's grants."""
    subject = facts.subject
    known = policy.namespaces.namespaces.get(subject.namespace)
    if known is None:
        return failed(
            NAME,
            Reason.NOT_GRANTED,
            f"namespace {subject.namespace} is unknown to governance",
            got=f"namespace {subject.namespace}",
            expected="an entry in namespaces.yaml",
            unblock=f"ask security to add {subject.namespace} to namespaces.yaml",
        )
    bounds = _tier(subject.spec, known, subject.namespace) or _replicas(subject.spec, known)
    return bounds or _wishes(subject.spec, known)


def _tier(spec: dict[str, Any], known: NamespacePolicy, namespace: str) -> GateResult | None:
    wanted = str(spec.get("riskTier", ""))
    if queries.tier_rank(wanted) >= queries.tier_rank(known.minimum_tier):
        return None
    return failed(
        NAME,
        Reason.NOT_GRANTED,
        f"risk tier {wanted or 'none'} is below {known.minimum_tier}, the least for {namespace}",
        got=f"riskTier {wanted or 'none'}",
        expected=f"riskTier {known.minimum_tier} or above",
        unblock=f"set spec.riskTier to {known.minimum_tier} or above",
    )


def _replicas(spec: dict[str, Any], known: NamespacePolicy) -> GateResult | None:
    wanted = int(spec.get("replicas", 1))
    if wanted <= known.max_replicas:
        return None
    return failed(
        NAME,
        Reason.NOT_GRANTED,
        f"{wanted} replicas are more than the {known.max_replicas} that the namespace may have",
        got=f"replicas {wanted}",
        expected=f"at most {known.max_replicas}",
        unblock=f"set spec.replicas to {known.max_replicas} or less",
    )


def _wishes(spec: dict[str, Any], known: NamespacePolicy) -> GateResult:
    wishes = list(_named(spec, known.grants))
    denied = [wish for wish in wishes if not queries.granted(wish.name, wish.patterns)]
    if not denied:
        return passed(NAME, f"{len(wishes)} references, all granted")
    first = denied[0]
    return failed(
        NAME,
        Reason.NOT_GRANTED,
        f"not granted: {some(f'{wish.what} {wish.name}' for wish in denied)}",
        got=f"{first.what} {first.name}",
        expected=f"one of {some(first.patterns)}" if first.patterns else f"{first.field}: none",
        unblock=f"name what is granted, or ask security to add {first.name} to {first.field}",
    )


def _named(spec: dict[str, Any], grants: Grants) -> Iterator[_Wish]:
    yield _Wish("image", queries.repository(str(spec.get("image", ""))), "images", grants.images)
    if model := spec.get("model"):
        yield _Wish("model", _model(model), "models", [_granted_model(g) for g in grants.models])
        if volume := model.get("volume"):
            where = queries.repository(volume)
            yield _Wish("model volume", where, "artifacts", grants.artifacts)
    for knowledge in spec.get("knowledge", []):
        yield _Wish("knowledge", knowledge["name"], "knowledge", grants.knowledge)
    for tool in spec.get("tools", []):
        yield _Wish("tool endpoint", tool["endpoint"], "tools", grants.tools)
    for metric in spec.get("health", {}).get("metrics", []):
        yield _Wish("metric", metric["name"], "metrics", grants.metrics)


def _model(model: dict[str, Any]) -> str:
    return f"{model.get('registry', 'default')}/{model['name']}"


def _granted_model(grant: ModelGrant) -> str:
    return f"{grant.registry}/{grant.name}"
