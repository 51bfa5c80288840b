"""Facts v1 put together: what the verifier found, and what only the cluster knows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from interlock.actions.parse import facts_of
from interlock.actions.ports import InForce, WorkPorts
from interlock.actions.records import stamp
from interlock.api.facts import Context, Facts, Findings, Held, Subject
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import Observed, Revision
from interlock.api.values import Purpose
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client
from interlock.decide import view
from interlock.evidence.resolve import config_map_pins
from interlock.policy import Policy, queries

Object = dict[str, Any]
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
    """Return the commit that brought what serves, as its promotion's decision recorded it."""
    serving = view.serving(seen)
    promotion = view.last_promotion(seen, serving.name) if serving else None
    if promotion is None:
        return ""
    record = cache.get("AgentTransition", key.home, promotion.name)
    decision = cache.get("GateDecision", key.home, (record or {}).get("spec", {}).get("decision"))
    if decision is None:
        return ""
    change = facts_of(decision["spec"]["facts"]).get("change") or {}
    return str(change.get("commit", ""))


def build_facts(
    *,
    revision: Revision,
    purpose: Purpose,
    findings: Findings,
    key: Key,
    ports: WorkPorts,
    seen: Observed,
    in_force: InForce,
    now: datetime,
) -> Facts:
    """Return the facts of one judgement."""
    subject = Subject(
        namespace=key.namespace,
        name=key.name,
        spec=revision.spec.dump(),
        digest=revision.digest,
        behaviour=revision.behaviour,
    )
    context = context_of(seen, in_force.policy, ports.cluster, subject)
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
    tier = str(subject.spec.get("riskTier", ""))
    return Context(
        cluster=cluster,
        environment=queries.environment(policy, subject.namespace),
        tier=queries.effective_tier(policy, subject.namespace, tier),
        serving=serving.digest if serving else "",
        predecessors=view.predecessors(seen),
        holds=_holds(seen),
        spent=view.spent(seen, subject.digest),
    )


def _holds(seen: Observed) -> list[Held]:
    return [
        Held(behaviour=behaviour, cause=record.cause, nonces=list(record.nonces))
        for behaviour, record in sorted(view.holds(seen).items())
        if record.cause
    ]
