"""Records as they lie in the cluster, turned into values once their signatures hold.

A record without a valid signature is no record: it is named, and nothing is read from it.
Parsing is remembered by UID and resourceVersion, so that a look at an agent costs no crypto.
"""

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError

from interlock.api import digests
from interlock.api.facts import Approval, Evidence
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.records import AgentTransitionSpec, GateDecisionSpec
from interlock.api.observed import Broken, Revision, Transition, Use, Verdict
from interlock.api.values import Outcome, Purpose
from interlock.audit.records import Keyring, in_place, record_digest
from interlock.policy import queries, revocations

Object = dict[str, Any]
T = TypeVar("T")
REMEMBERED = 200_000
"""Parsed records kept; one is about 1 KiB."""


class Parser:
    """Parses records with one keyring, and remembers what it parsed."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._memo: dict[tuple[str, str], object] = {}

    def revision(self, obj: Object) -> Revision | None:
        """Return a revision, or None where its signature or its digest does not hold."""
        return self._remembered(obj, self._revision)

    def verdict(self, obj: Object) -> Verdict | None:
        """Return a decision, or None where its signature does not hold."""
        return self._remembered(obj, self._verdict)

    def transition(self, obj: Object) -> Transition | None:
        """Return a transition; an `end` or `healthy` with a bad signature is as if not there."""
        return self._remembered(obj, self._transition)

    def _remembered(self, obj: Object, parse: Callable[[Object], T | None]) -> T | None:
        meta = obj["metadata"]
        mark = (meta["uid"], meta["resourceVersion"])
        if mark not in self._memo:
            if len(self._memo) >= REMEMBERED:
                self._memo.clear()
            try:
                self._memo[mark] = parse(obj)
            except (ValidationError, ValueError, KeyError, TypeError):
                self._memo[mark] = None
        return self._memo[mark]  # type: ignore[return-value]

    def _signed(self, kind: str, obj: Object) -> bool:
        """Whether we signed it, for this place: a valid record copied elsewhere is none."""
        meta, spec = obj["metadata"], obj["spec"]
        if not in_place(kind, meta["namespace"], meta["name"], spec):
            return False
        return self._keyring.valid(kind, spec)

    def _revision(self, obj: Object) -> Revision | None:
        spec = obj["spec"]
        if not self._signed("AgentRevision", obj):
            return None
        agent, content = spec["agent"], spec["content"]
        parsed = AgentDeploymentSpec.model_validate(content)
        dumped = parsed.dump()
        if digests.content(agent["namespace"], agent["name"], dumped) != spec["digest"]:
            return None
        return Revision(
            name=obj["metadata"]["name"],
            digest=spec["digest"],
            behaviour=digests.behaviour(dumped),
            spec=parsed,
            created=datetime.fromisoformat(obj["metadata"]["creationTimestamp"]),
            marks=queries.digests_of(dumped, spec["digest"]),
            parent=spec.get("parent", ""),
        )

    def _verdict(self, obj: Object) -> Verdict | None:
        if not self._signed("GateDecision", obj):
            return None
        spec = GateDecisionSpec.model_validate(obj["spec"])
        closed = (one for one in spec.outcomes if not Outcome(one.outcome).lets_through)
        first = next(closed, None)
        return Verdict(
            name=obj["metadata"]["name"],
            revision=spec.revision,
            number=spec.number,
            purpose=Purpose(spec.purpose),
            verdict=spec.verdict,
            at=datetime.fromisoformat(spec.at),
            expires=datetime.fromisoformat(spec.expires) if spec.expires else None,
            inputs=spec.inputs,
            fresh_until=datetime.fromisoformat(spec.fresh_until) if spec.fresh_until else None,
            gate=first.gate if first else "",
            reason=first.reason if first else "",
            message=first.message if first else "",
            nonces=_nonces(spec),
            uses=_uses(spec),
            approved=_approved(spec),
            broken=_broken(spec),
        )

    def _transition(self, obj: Object) -> Transition | None:
        if not self._signed("AgentTransition", obj):
            return None
        spec = AgentTransitionSpec.model_validate(obj["spec"])
        digest = record_digest("AgentTransition", obj["spec"])
        status = obj.get("status") or {}
        end, healthy = status.get("end"), status.get("healthy")
        ended = end if end and self._keyring.valid_end(digest, end) else None
        well = healthy if healthy and self._keyring.valid_healthy(digest, healthy) else None
        return Transition(
            name=obj["metadata"]["name"],
            number=spec.number,
            type=spec.type,
            origin=spec.from_,
            to=spec.to,
            digest=spec.digest,
            behaviour=spec.behaviour,
            cause=spec.cause,
            reason=spec.reason,
            at=datetime.fromisoformat(spec.at),
            message=spec.message,
            requested_by=spec.requested_by,
            request=spec.request,
            nonces=tuple(spec.nonces),
            cut=spec.cut,
            switch=spec.switch,
            ticket=spec.ticket,
            expires=datetime.fromisoformat(spec.expires) if spec.expires else None,
            break_glass=tuple(spec.break_glass),
            ratify_by=datetime.fromisoformat(spec.ratify_by) if spec.ratify_by else None,
            end=ended["outcome"] if ended else None,
            ended=datetime.fromisoformat(ended["at"]) if ended else None,
            healthy=datetime.fromisoformat(well["at"]) if well else None,
        )


def _nonces(spec: GateDecisionSpec) -> tuple[str, ...]:
    """Return the nonces of the approvals of the quorum, and of who lifted a freeze."""
    counted = {envelope for one in spec.outcomes for envelope in one.evidence}
    approvals = facts_of(spec.facts).get("approvals", [])
    return tuple(sorted(one["nonce"] for one in approvals if one["envelope"] in counted))


def _approved(spec: GateDecisionSpec) -> bool:
    """Whether the people that the tier asks for approved, or it asks for none."""
    approval = [Outcome(one.outcome) for one in spec.outcomes if one.gate == "change-approval"]
    return all(outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE) for outcome in approval)


def _broken(spec: GateDecisionSpec) -> tuple[Broken, ...]:
    """Return the break-glass in force, where a gate was bypassed by it."""
    if all(one.outcome != Outcome.BYPASSED.value for one in spec.outcomes):
        return ()
    at = datetime.fromisoformat(spec.at)
    known = facts_of(spec.facts).get("context", {}).get("breakGlass", [])
    in_force = (one for one in known if at < datetime.fromisoformat(one["expires"]))
    return tuple(Broken(one["record"], one["person"]) for one in in_force)


def _uses(spec: GateDecisionSpec) -> tuple[Use, ...]:
    """Return what the gates' answers rest on, as a revocation may name it."""
    counted = {mark for one in spec.outcomes for mark in one.evidence}
    said = facts_of(spec.facts)
    evidence = (one for one in said.get("evidence", []) if one["bundle"] in counted)
    approvals = (one for one in said.get("approvals", []) if one["envelope"] in counted)
    return (
        *(u for e in evidence for u in revocations.of_evidence(Evidence.model_validate(e))),
        *(u for a in approvals for u in revocations.of_approval(Approval.model_validate(a))),
        *(Use("person", broken.person) for broken in _broken(spec)),
    )


@lru_cache(maxsize=512)
def facts_of(text: str) -> Object:
    """Return the facts of a decision whose signature was checked."""
    value: Object = json.loads(text)
    return value
