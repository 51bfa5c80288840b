"""One agent, seen whole: caches, policy and memory turned into the input of `decide`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from interlock.actions.grants import grant_refusal
from interlock.actions.parse import Parser
from interlock.actions.ports import InForce, Memory
from interlock.api import digests, names
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.base import seconds
from interlock.api.observed import (
    Observed,
    Request,
    Revision,
    Timing,
    Transition,
    Use,
    Verdict,
    Wanted,
)
from interlock.api.values import Purpose
from interlock.cluster import pointer
from interlock.cluster.cache import REQUESTS, Cache, Key, is_owned
from interlock.policy import queries
from interlock.signals import pods

Object = dict[str, Any]
STAGE_RETRY = timedelta(seconds=30)
"""How long a stage that the API server refused is not tried again."""


class Observer:
    """Looks at agents with one cache and one record keyring."""

    def __init__(self, cache: Cache, parser: Parser) -> None:
        self._cache, self._parser = cache, parser

    def look(self, key: Key, in_force: InForce | None, memory: Memory, now: datetime) -> Observed:
        """Return what is known of an agent now. Reads memory only, never the network."""
        cache, home = self._cache, key.home
        wanted = self.wanted(key)
        namespace = cache.get("Namespace", "", home)
        service = cache.get("Service", home, names.POINTER_SERVICE)
        pointed = pointer.target(service)
        revisions, bad = self._revisions(home)
        transitions, bad_too = self._transitions(home)
        admission = (cache.get("AgentAdmission", home, names.ADMISSION_NAME) or {}).get("spec", {})
        policy = in_force.policy if in_force else None
        verdicts, bad_ones = self._verdicts(home)
        return Observed(
            wanted=wanted,
            namespace=_ownership(namespace, key),
            policy=in_force.key if in_force else "",
            fresh=bool(in_force and in_force.fresh),
            granted=grant_refusal(policy, wanted) if policy and wanted else "",
            timing=_timing(in_force, wanted),
            pointer=pointed,
            emergency=_emergency(service),
            quarantined=bool(admission.get("quarantined")),
            admitted={
                one["name"]: bool(one.get("eligible")) for one in admission.get("revisions") or []
            },
            revisions=revisions,
            verdicts=verdicts,
            transitions=transitions,
            workloads={
                name: pods.workload(obj, self._pods(home, name), serving=name == pointed)
                for name, obj in cache.of("Deployment", home).items()
            },
            requests=self.requests(key),
            revoked=self._revoked(home, in_force, revisions),
            judged=memory.judged,
            staged={
                name: (reason, message)
                for name, (when, reason, message) in memory.staged.items()
                if now - when < STAGE_RETRY
            },
            bad_records=(*bad, *bad_too, *bad_ones),
        )

    def wanted(self, key: Key) -> Wanted | None:
        """Return what the team asks for; None for no AgentDeployment, or one that is no wish."""
        obj = self._cache.get("AgentDeployment", key.namespace, key.name)
        if obj is None:
            return None
        try:
            spec = AgentDeploymentSpec.model_validate(obj["spec"])
        except ValidationError:
            return None
        meta, dumped = obj["metadata"], spec.dump()
        return Wanted(
            namespace=key.namespace,
            name=key.name,
            uid=meta["uid"],
            generation=int(meta.get("generation") or 0),
            spec=spec,
            digest=digests.content(key.namespace, key.name, dumped),
            behaviour=digests.behaviour(dumped),
            deleting=bool(meta.get("deletionTimestamp")),
            finalizer=names.FINALIZER in (meta.get("finalizers") or []),
        )

    def requests(self, key: Key) -> tuple[Request, ...]:
        """Return the requests about an agent that have no answer yet, oldest first."""
        found = [
            _request(kind, obj)
            for kind in REQUESTS
            for obj in self._cache.of(kind, key.namespace).values()
            if obj["spec"].get("agent") == key.name
            and (obj.get("status") or {}).get("phase", "Pending") == "Pending"
        ]
        return tuple(sorted(found, key=lambda one: (one.created, one.uid)))

    def _pods(self, home: str, revision: str) -> Iterable[Object]:
        for pod in self._cache.of("Pod", home).values():
            if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION) == revision:
                yield pod

    def _revisions(self, home: str) -> tuple[dict[str, Revision], list[str]]:
        found, bad = {}, []
        for name, obj in self._cache.of("AgentRevision", home).items():
            if revision := self._parser.revision(obj):
                found[name] = revision
            else:
                bad.append(name)
        return found, bad

    def _transitions(self, home: str) -> tuple[tuple[Transition, ...], list[str]]:
        found, bad = [], []
        for name, obj in self._cache.of("AgentTransition", home).items():
            if transition := self._parser.transition(obj):
                found.append(transition)
            else:
                bad.append(name)
        return tuple(sorted(found, key=lambda one: one.number)), bad

    def _verdicts(self, home: str) -> tuple[dict[tuple[str, Purpose], Verdict], list[str]]:
        newest: dict[tuple[str, Purpose], Verdict] = {}
        bad = []
        for name, obj in self._cache.of("GateDecision", home).items():
            verdict = self._parser.verdict(obj)
            if verdict is None:
                bad.append(name)
                continue
            place = (verdict.revision, verdict.purpose)
            if place not in newest or newest[place].number < verdict.number:
                newest[place] = verdict
        return newest, bad

    def _revoked(
        self, home: str, in_force: InForce | None, revisions: dict[str, Revision]
    ) -> dict[str, str]:
        if in_force is None:
            return {}
        used: dict[str, list[Use]] = {}
        for obj in self._cache.of("GateDecision", home).values():
            if verdict := self._parser.verdict(obj):
                used.setdefault(verdict.revision, []).extend(verdict.signers)
        found = {}
        for name, revision in revisions.items():
            if why := queries.revocation(in_force.policy, revision.marks, used.get(name, [])):
                found[name] = why
        return found


def _ownership(namespace: Object | None, key: Key) -> Any:
    if namespace is None:
        return "absent"
    if not is_owned(namespace, key):
        return "foreign"
    return "leaving" if namespace["metadata"].get("deletionTimestamp") else "ours"


def _emergency(service: Object | None) -> str:
    annotations = (service or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(names.ANNOTATION_EMERGENCY, ""))


def _timing(in_force: InForce | None, wanted: Wanted | None) -> Timing | None:
    if in_force is None or wanted is None:
        return None
    tier = queries.tier_policy(in_force.policy, wanted.namespace, wanted.spec.risk_tier)
    if tier is None:
        return None
    return Timing(
        minimum_bake=timedelta(seconds=seconds(tier.minimum_bake)),
        ready_within=timedelta(seconds=seconds(tier.ready_within)),
        recheck=timedelta(seconds=seconds(in_force.policy.gates.recheck)),
    )


def _request(kind: Any, obj: Object) -> Request:
    meta, spec = obj["metadata"], obj["spec"]
    return Request(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        reason=spec.get("reason", ""),
        requested_by=spec.get("requestedBy", ""),
        expect=spec.get("expect", ""),
        to=spec.get("to", ""),
        digest=spec.get("digest", ""),
        cut=bool(spec.get("cut")),
    )
