"""Facts v1 put together: what the verifier found, and what only the cluster knows."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from interlock.actions.parse import facts_of
from interlock.actions.ports import InForce, WorkPorts
from interlock.actions.records import stamp
from interlock.api.facts import Approval, BrokenGlass, Context, Facts, Findings, Held, Subject
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.base import seconds
from interlock.api.observed import Observed, Revision, Transition
from interlock.api.values import Purpose
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client
from interlock.decide import view
from interlock.evidence.resolve import config_map_pins
from interlock.policy import Policy, queries

Object = dict[str, Any]
MAX_BROKEN = 16
"""Break-glass records that are read for one content; more say nothing more."""
ConfigMaps = Mapping[str, Mapping[str, str] | None]


async def config_maps_of(client: Client, namespace: str, spec: AgentDeploymentSpec) -> ConfigMaps:
    """Return the data of each ConfigMap that a spec names, read live; None for a missing one."""
    wanted = [tool.schema_.config_map for tool in spec.tools if tool.schema_]
    wanted += [policy.config_map for policy in spec.policies]
    found: dict[str, Mapping[str, str] | None] = {}
    for name in dict.fromkeys(wanted):
        obj = await client.get("ConfigMap", namespace, name)
        found[name] = (obj.get("data") or {}) if obj else None
    return found


def with_config_maps(
    findings: Findings, spec: AgentDeploymentSpec, config_maps: ConfigMaps
) -> Findings:
    """Return the findings with the pins of ConfigMaps, which only the cluster can compare."""
    pins = [*findings.pins, *config_map_pins(spec, config_maps)]
    return findings.model_copy(update={"pins": pins})


def since_commit(cache: Cache, key: Key, seen: Observed) -> str:
    """Return the commit that brought what people last approved of what led to what serves.

    Whoever's hands were on the change since then approves none of it. What break-glass let in was
    not approved: whoever made it could else approve it afterwards, or what is built upon it.
    """
    serving = view.serving(seen)
    promotion = _approved(seen, serving.name) if serving else None
    if promotion is None:
        return ""
    record = cache.get("AgentTransition", key.home, promotion.name)
    decision = cache.get("GateDecision", key.home, (record or {}).get("spec", {}).get("decision"))
    if decision is None:
        return ""
    change = facts_of(decision["spec"]["facts"]).get("change") or {}
    return str(change.get("commit", ""))


def _approved(seen: Observed, revision: str) -> Transition | None:
    """Return the newest promotion on the way to a revision that needed no broken glass."""
    to = revision
    for move in view.moves(seen):
        if (move.type, move.to) == ("Promotion", to):
            if not move.break_glass or view.ratification(seen, move):
                return move
            to = move.origin
    return None


def build_facts(
    *,
    revision: Revision,
    purpose: Purpose,
    findings: Findings,
    key: Key,
    ports: WorkPorts,
    seen: Observed,
    in_force: InForce,
    decisions: Iterable[Object],
    now: datetime,
) -> Facts:
    """Return the facts of one judgement; `decisions` are those before it on the revision."""
    subject = Subject(
        namespace=key.namespace,
        name=key.name,
        spec=revision.spec.dump(),
        digest=revision.digest,
        behaviour=revision.behaviour,
    )
    context = context_of(seen, in_force.policy, ports.cluster, subject)
    if purpose is Purpose.PROMOTION and _dwells(in_force.policy, subject):
        first = _first_seen(findings.approvals, decisions, now)
        context = context.model_copy(update={"seen": first})
    return assemble(
        subject=subject,
        purpose=purpose,
        findings=findings,
        policy=in_force.policy,
        context=context,
        now=now,
    )


def assemble(
    *,
    subject: Subject,
    purpose: Purpose,
    findings: Findings,
    policy: Policy,
    context: Context,
    now: datetime,
) -> Facts:
    """Return facts v1; the controller and `interlock check` make them here alone."""
    return Facts(
        now=stamp(now),
        purpose=purpose,
        subject=subject,
        policy_digest=policy.digest,
        revocation_version=policy.revocation_version,
        root_digest=policy.root_digest,
        pins=findings.pins,
        registered=findings.registered,
        evidence=findings.evidence,
        denied=findings.denied,
        content=findings.content,
        approvals=findings.approvals,
        change=findings.change,
        context=context,
    )


def context_of(seen: Observed, policy: Policy, cluster: str, subject: Subject) -> Context:
    """Return what the cluster knows that no evidence says."""
    serving = view.serving(seen)
    serves = serving is not None and serving.digest == subject.digest
    tier = str(subject.spec.get("riskTier", ""))
    return Context(
        cluster=cluster,
        environment=queries.environment(policy, subject.namespace),
        tier=queries.effective_tier(policy, subject.namespace, tier),
        serving=serving.digest if serving else "",
        predecessors=view.predecessors(seen, subject.digest),
        holds=_holds(seen),
        spent=view.spent(seen, subject.digest),
        break_glass=[] if serves else list(_broken(seen, policy, subject.digest)),
        unratified=debt.name if (debt := view.debt(seen)) and not serves else "",
    )


def _broken(seen: Observed, policy: Policy, digest: str) -> Iterator[BrokenGlass]:
    """Yield the break-glass for a content, of persons whom people.yaml knows today."""
    for record in view.broken_glass(seen, digest)[:MAX_BROKEN]:
        person = queries.person_of_user(policy, record.requested_by, record.at)
        if person and record.expires:
            expires = stamp(record.expires)
            yield BrokenGlass(
                record=record.name, person=person.id, expires=expires, ticket=record.ticket
            )


def _dwells(policy: Policy, subject: Subject) -> bool:
    """Whether it matters when an approval came: elsewhere it would only make decisions differ."""
    tier = queries.tier_policy(policy, subject.namespace, str(subject.spec.get("riskTier", "")))
    return tier is not None and seconds(tier.minimum_dwell) > 0


def _first_seen(
    approvals: Iterable[Approval], decisions: Iterable[Object], now: datetime
) -> dict[str, str]:
    """Return when each approval was first judged, as the decisions hand it on."""
    known: dict[str, str] = {}
    for decision in decisions:
        said = facts_of(decision["spec"]["facts"])["context"].get("seen", {})
        known = said | known  # the first one's word stays
    return {each.envelope: known.get(each.envelope, stamp(now)) for each in approvals}


def _holds(seen: Observed) -> list[Held]:
    return [
        Held(behaviour=behaviour, cause=record.cause, nonces=list(record.nonces))
        for behaviour, record in sorted(view.holds(seen).items())
        if record.cause
    ]
