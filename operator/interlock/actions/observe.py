"""One agent, seen whole: caches, policy and memory turned into the input of `decide`."""

import zlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any

from pydantic import ValidationError

from interlock.actions.fleet import FleetWatch
from interlock.actions.grants import grant_refusal
from interlock.actions.parse import Parser
from interlock.actions.peers import peers
from interlock.actions.ports import Governance, InForce, Memory
from interlock.actions.votes import pods_of, targets, votes
from interlock.api import digests, names
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.base import seconds
from interlock.api.observed import (
    BreakGlass,
    Limits,
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
from interlock.policy import Policy, model, queries, revocations
from interlock.policy.model import Breakers
from interlock.signals import pods
from interlock.signals.contract import SampledSignal, Target

Object = dict[str, Any]
Wish = tuple[AgentDeploymentSpec, str, str]
"""A team's spec with its content and behaviour digests."""
REMEMBERED = 4096
"""Times of tiers that are remembered: namespaces by tiers of one policy."""
STAGE_RETRY = timedelta(seconds=30)
"""How long a stage that the API server refused is not tried again."""


class Observer:
    """Looks at agents with one cache and one record keyring."""

    def __init__(
        self,
        cache: Cache,
        parser: Parser,
        governance: Governance,
        memories: MutableMapping[Key, Memory],
        signals: Sequence[SampledSignal] = (),
    ) -> None:
        """`governance` and `memories` are shared with the executors; `signals` are the sampled."""
        self._cache, self._parser, self._signals = cache, parser, signals
        self._governance, self._memories = governance, memories
        self._wishes: dict[Key, tuple[tuple[str, object], Wish | None]] = {}
        self._timings: dict[tuple[str, str, str], Timing | None] = {}
        self.fleet = FleetWatch()
        self.targets: dict[Key, tuple[Target, ...]] = {}
        """What is to be sampled, as the last look at each agent showed."""

    def look(self, key: Key, now: datetime) -> Observed:
        """Return what is known of an agent now. Reads memory only, never the network."""
        seen = self._look(key, now)
        self.fleet.note(key, seen)
        self._note_targets(key, seen)
        found = peers(seen, key, self._cache, lambda other: self._look(other, now), now)
        return replace(seen, peers=found) if found else seen

    def read(self, key: Key) -> None:
        """Check what there is of an agent ahead, so that the first look at it costs no crypto."""
        self.wanted(key)
        for read in (self._revisions, self._transitions, self._verdicts):
            read(key.home)

    def _note_targets(self, key: Key, seen: Observed) -> None:
        found = targets(seen, key, self._cache, self._signals) if seen.wanted else ()
        if found:
            self.targets[key] = found
        else:
            self.targets.pop(key, None)

    def _look(self, key: Key, now: datetime) -> Observed:
        memory, in_force = self._memories.setdefault(key, Memory()), self._governance.current
        seen = self._alone(key, in_force, memory, now)
        if in_force is None or seen.pointer is None:
            return seen
        policy = in_force.policy.gates
        limits = _limits(policy.breakers)
        if memory.inspected is None:  # a new process does not compare everything at once
            memory.inspected = now - limits.inspect_every * _fraction(key)
        said = votes(
            seen,
            key,
            self._cache,
            memory=memory,
            signals=self._signals,
            policy=policy.signals,
            now=now,
        )
        return replace(
            seen,
            votes=said,
            limits=limits,
            inspected=memory.inspected,
            fleet=self.fleet.of(key, policy.breakers, now),
        )

    def _alone(self, key: Key, in_force: InForce | None, memory: Memory, now: datetime) -> Observed:
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
            timing=self._timing(in_force, wanted),
            pointer=pointed,
            preview=pointer.target(cache.get("Service", home, names.PREVIEW_SERVICE)),
            emergency=_emergency(service),
            quarantined=bool(admission.get("quarantined")),
            admitted={
                one["name"]: bool(one.get("eligible")) for one in admission.get("revisions") or []
            },
            revisions=revisions,
            verdicts=verdicts,
            transitions=transitions,
            workloads={
                name: pods.workload(obj, pods_of(cache, home, name))
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
            drift=memory.drift,
            repairs=tuple(memory.repairs),
        )

    def wanted(self, key: Key) -> Wanted | None:
        """Return what the team asks for; None for no AgentDeployment, or one that is no wish."""
        obj = self._cache.get("AgentDeployment", key.namespace, key.name)
        if obj is None:
            self._wishes.pop(key, None)
            return None
        wish = self._wish(key, obj)
        if wish is None:
            return None
        meta, (spec, digest, behaviour) = obj["metadata"], wish
        return Wanted(
            namespace=key.namespace,
            name=key.name,
            uid=meta["uid"],
            generation=int(meta.get("generation") or 0),
            spec=spec,
            digest=digest,
            behaviour=behaviour,
            deleting=bool(meta.get("deletionTimestamp")),
            finalizer=names.FINALIZER in (meta.get("finalizers") or []),
        )

    def _timing(self, in_force: InForce | None, wanted: Wanted | None) -> Timing | None:
        """Return the times of an agent's tier; asked once a policy, namespace and tier."""
        if in_force is None or wanted is None:
            return None
        place = (in_force.key, wanted.namespace, wanted.spec.risk_tier)
        if place not in self._timings:
            if len(self._timings) >= REMEMBERED:
                self._timings.clear()
            self._timings[place] = _timing(in_force.policy, wanted)
        return self._timings[place]

    def _wish(self, key: Key, obj: Object) -> Wish | None:
        """Return spec and digests; a generation of an object is parsed once."""
        meta = obj["metadata"]
        mark = (meta["uid"], meta.get("generation"))
        known = self._wishes.get(key)
        if known is None or known[0] != mark:
            known = self._wishes[key] = (mark, _parsed(key, obj))
        return known[1]

    def requests(self, key: Key) -> tuple[Request, ...]:
        """Return the requests about an agent that have no answer yet, oldest first."""
        found = [
            self._known(_request(kind, obj))
            for kind in REQUESTS
            for obj in self._cache.of(kind, key.namespace).values()
            if obj["spec"].get("agent") == key.name and is_pending(obj)
        ]
        return tuple(sorted(found, key=lambda one: (one.created, one.uid)))

    def _known(self, request: Request) -> Request:
        """Say which person breaks the glass: a name that only the cluster knows counts nothing."""
        in_force = self._governance.current
        if request.kind != "AgentBreakGlass" or in_force is None:
            return request
        user, at = request.requested_by, request.created
        person = queries.person_of_user(in_force.policy, user, at)
        return replace(request, person=person.id) if person else request

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
        rests = self._rests(home)
        found = {}
        for name, revision in revisions.items():
            marks = revocations.of_digests(_marks(revision, revisions))
            uses = rests.get(revision.parent or name, ())
            if why := revocations.why(in_force.policy.revocations, chain(marks, uses)):
                found[name] = why
        return found

    def _rests(self, home: str) -> dict[str, tuple[Use, ...]]:
        """Return what each revision rests on: the newest decision that allowed it says."""
        verdicts = map(self._parser.verdict, self._cache.of("GateDecision", home).values())
        allowed = [one for one in verdicts if one and one.verdict == "Allowed"]
        return {one.revision: one.uses for one in sorted(allowed, key=lambda one: one.number)}


def is_pending(request: Object) -> bool:
    """Whether a request has no answer yet."""
    return bool((request.get("status") or {}).get("phase", "Pending") == "Pending")


def _marks(revision: Revision, revisions: Mapping[str, Revision]) -> frozenset[str]:
    """Return by what a revision can be revoked; a fallback by what its parent can be, too."""
    parent = revisions.get(revision.parent)
    return revision.marks | parent.marks if parent else revision.marks


def _parsed(key: Key, obj: Object) -> Wish | None:
    try:
        spec = AgentDeploymentSpec.model_validate(obj["spec"])
    except ValidationError:
        return None
    dumped = spec.dump()
    digest = digests.content(key.namespace, key.name, dumped)
    return spec, digest, digests.behaviour(dumped)


def _ownership(namespace: Object | None, key: Key) -> Any:
    if namespace is None:
        return "absent"
    if not is_owned(namespace, key):
        return "foreign"
    return "leaving" if namespace["metadata"].get("deletionTimestamp") else "ours"


def _emergency(service: Object | None) -> str:
    annotations = (service or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(names.ANNOTATION_EMERGENCY, ""))


def _timing(policy: Policy, wanted: Wanted) -> Timing | None:
    tier = queries.tier_policy(policy, wanted.namespace, wanted.spec.risk_tier)
    if tier is None:
        return None
    return Timing(
        minimum_bake=_span(tier.minimum_bake),
        ready_within=_span(tier.ready_within),
        recheck=_span(policy.gates.recheck),
        reverify=_span(policy.gates.reverify),
        break_glass=_break_glass(tier.break_glass),
    )


def _break_glass(said: model.BreakGlass) -> BreakGlass | None:
    if not said.allowed:
        return None
    within = _span(said.ratify_within) if said.ratify_within else None
    return BreakGlass(said.persons, within)


@lru_cache(maxsize=8)
def _limits(breakers: Breakers) -> Limits:
    return Limits(
        cool_down=_span(breakers.cool_down),
        rollbacks=breakers.rollbacks,
        window=_span(breakers.rollbacks_within),
        promotions=breakers.promotions,
        inspect_every=_span(breakers.inspect_every),
        repairs=breakers.repairs,
        repairs_within=_span(breakers.repairs_within),
    )


def _fraction(key: Key) -> float:
    return zlib.crc32(f"{key.namespace}/{key.name}".encode()) / 2**32


def _span(duration: str) -> timedelta:
    return timedelta(seconds=seconds(duration))


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
        frozen=bool(spec.get("frozen")),
        cut=bool(spec.get("cut")),
        ticket=spec.get("ticket", ""),
        expires=datetime.fromisoformat(spec["expires"]) if "expires" in spec else None,
    )
