"""What governance lets one namespace do, and what it asks: "may we?" and "who decides?"."""

from collections.abc import Iterator
from typing import Any

from interlock.policy import Policy, queries
from interlock.policy.model import NamespacePolicy, TierPolicy


def explained(policy: Policy, namespace: str) -> dict[str, Any] | None:
    """Return all that policy says of a namespace; None for one that it does not know."""
    known = policy.namespaces.namespaces.get(namespace)
    if known is None:
        return None
    tiers = [tier for tier in queries.TIERS if _applies(policy, namespace, tier)]
    return {
        "namespace": namespace,
        "environment": known.environment,
        "minimumTier": known.minimum_tier,
        "maxReplicas": known.max_replicas,
        "repositories": [one.model_dump(by_alias=True) for one in known.repositories],
        "grants": _grants(known),
        "tiers": {tier: _tier(policy, namespace, tier) for tier in tiers},
    }


def lines(said: dict[str, Any]) -> Iterator[str]:
    """Yield the answer as people read it."""
    yield (
        f"{said['namespace']}: environment {said['environment']}, "
        f"tier {said['minimumTier']} or above, at most {said['maxReplicas']} replicas"
    )
    yield "May be delivered from"
    for one in said["repositories"]:
        path = f", path {one['path']}" if one["path"] else ""
        yield f"  {one['url']} {one['ref']}{path}; approvals in {one['approvals']}"
    yield from () if said["repositories"] else ("  nowhere: no repository is named",)
    yield "May name"
    for what, patterns in said["grants"].items():
        yield f"  {what:<11}{', '.join(patterns) or 'none'}"
    for tier, asked in said["tiers"].items():
        yield f"Tier {tier}"
        yield from _tier_lines(asked)


def _applies(policy: Policy, namespace: str, tier: str) -> bool:
    """Whether an agent of the namespace may be in a tier that policy describes."""
    known = policy.namespaces.namespaces[namespace]
    high_enough = queries.tier_rank(tier) >= queries.tier_rank(known.minimum_tier)
    return high_enough and queries.tier_policy(policy, namespace, tier) is not None


def _grants(known: NamespacePolicy) -> dict[str, list[str]]:
    grants = known.grants
    return {
        "models": [f"{one.registry}/{one.name}" for one in grants.models],
        "images": grants.images,
        "artifacts": grants.artifacts,
        "knowledge": grants.knowledge,
        "tools": grants.tools,
        "metrics": grants.metrics,
    }


def _tier(policy: Policy, namespace: str, tier: str) -> dict[str, Any]:
    asked = queries.tier_policy(policy, namespace, tier)
    if asked is None:
        return {}
    said = asked.model_dump(mode="json", by_alias=True, exclude={"quorum", "evidence"})
    return said | {"quorum": _quorum(policy, asked)}


def _quorum(policy: Policy, asked: TierPolicy) -> list[dict[str, Any]]:
    people = policy.people.people
    return [
        {
            "role": slot.role,
            "count": slot.count,
            "people": [one.id for one in people if slot.role in one.roles],
        }
        for slot in asked.quorum
    ]


def _tier_lines(asked: dict[str, Any]) -> Iterator[str]:
    yield f"  gates      {', '.join(asked['gates']) or 'only those that run always'}"
    for slot in asked["quorum"]:
        people = ", ".join(slot["people"]) or "nobody"
        yield f"  approval   {slot['count']} of role {slot['role']}: {people}"
    yield from () if asked["quorum"] else ("  approval   none",)
    for field, value in asked.items():
        if field not in ("gates", "quorum") and value not in ("", None):
            yield f"  {field:<17} {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
