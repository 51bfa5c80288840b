"""From caches and samples to votes, and from agents to what is to be sampled.

The same `Target` decides whether a signal applies and where it is asked, so that a signal that is
never asked is never waited for.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from interlock.actions.ports import Memory
from interlock.actions.traffic import pod_revision
from interlock.api import names
from interlock.api.observed import Observed, Vote
from interlock.cluster import pointer
from interlock.cluster.cache import Cache, Key
from interlock.decide import view
from interlock.policy.model import SignalPolicy
from interlock.render.namespace import SERVICE_PORT
from interlock.signals import votes as votes_of
from interlock.signals.contract import Live, SampledSignal, Stand, Target, counts
from interlock.signals.runtime import Runtime
from interlock.signals.window import Sampled

Object = dict[str, Any]
TOLD = Runtime()
"""The signal that is told and never asked: alerts of the nodes' runtimes."""


def watched(seen: Observed) -> dict[str, Stand]:
    """Return the revisions on which signals vote, and where each stands."""
    found: dict[str, Stand] = {}
    serving = view.serving(seen)
    if serving is not None:
        found[serving.name] = "baking" if view.baking(seen) else "steady"
    asked = view.candidate(seen)
    load = seen.workloads.get(asked)
    if asked not in found and load is not None and load.replicas:
        found[asked] = "candidate"
    return found


def votes(
    seen: Observed,
    key: Key,
    cache: Cache,
    *,
    memory: Memory,
    signals: Sequence[SampledSignal],
    policy: SignalPolicy,
    now: datetime,
) -> dict[str, tuple[Vote, ...]]:
    """Return what all signals say of each watched revision."""
    found = {}
    for name, stand in watched(seen).items():
        live = _live(seen, key, cache, name, stand)
        if live is not None:
            target = target_of(seen, key, cache, name, stand)
            asked: list[Sampled] = [one for one in signals if counts(one, target)]
            told = memory.samples.get(name, {}).get(TOLD.name, ())
            asked += [TOLD] if TOLD.votes(told) else []
            samples = {one: tuple(kept) for one, kept in memory.samples.get(name, {}).items()}
            found[name] = votes_of(live, samples, asked, policy, now)
    return found


def targets(
    seen: Observed, key: Key, cache: Cache, signals: Sequence[SampledSignal]
) -> tuple[Target, ...]:
    """Return what is to be sampled now: what serves, and a candidate whose pods are all ready.

    What serves has no address while no pod of it is ready: one that starts cold is not asked before
    it can answer, since slow is not broken. That it never gets ready is for `readiness` to say.
    """
    found = []
    for name, stand in watched(seen).items():
        load, replicas = seen.workloads.get(name), seen.wanted.spec.replicas if seen.wanted else 1
        if name not in seen.revisions or load is None:
            continue
        if stand == "candidate" and load.ready < replicas:
            continue
        target = target_of(seen, key, cache, name, stand)
        target = target if load.ready else replace(target, address="")
        # What serves is always measured: one that is never ready must not get out of sight.
        sampled = target.address or stand != "candidate"
        if sampled and any(counts(signal, target) for signal in signals):
            found.append(target)
    return tuple(found)


def target_of(seen: Observed, key: Key, cache: Cache, revision: str, stand: Stand) -> Target:
    """Return where and how a known revision is sampled; no address where nothing leads to it."""
    service = names.PREVIEW_SERVICE if stand == "candidate" else names.POINTER_SERVICE
    found = cache.get("Service", key.home, service)
    leads = pointer.target(found) == revision
    move = view.last_move(seen)
    before = move.origin if move and move.to == revision else ""
    return Target(
        agent=key.name,
        home=key.home,
        revision=revision,
        baseline=(seen.pointer or "") if stand == "candidate" else before,
        spec=seen.revisions[revision].spec,
        address=str((found or {}).get("spec", {}).get("clusterIP", "")) if leads else "",
        port=SERVICE_PORT,
        stand=stand,
    )


def _live(seen: Observed, key: Key, cache: Cache, revision: str, stand: Stand) -> Live | None:
    known, deployment = seen.revisions.get(revision), cache.get("Deployment", key.home, revision)
    if known is None or deployment is None:
        return None
    verdict = view.newest_verdict(seen, known.parent or revision)
    return Live(
        spec=known.spec,
        deployment=deployment,
        pods=tuple(pods_of(cache, key.home, revision)),
        stand=stand,
        expires=verdict.fresh_until if verdict else None,
        accepted=verdict.at if verdict else None,
    )


def pods_of(cache: Cache, home: str, revision: str) -> list[Object]:
    """Return the pods of one revision."""
    return [pod for pod in cache.of("Pod", home).values() if pod_revision(pod) == revision]
