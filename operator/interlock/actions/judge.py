"""Resolves a content, gathers its evidence, runs the gates and keeps the verdict."""

from typing import Any

from interlock.actions.facts import build_facts, config_maps_of, since_commit, with_config_maps
from interlock.actions.gather import gather
from interlock.actions.ports import Applied, InForce, WorkPorts
from interlock.actions.records import stamp, unused
from interlock.actions.revisions import Collision, Sources, ensure_revision
from interlock.api import digests, names
from interlock.api.facts import MAX_FACTS_BYTES, Facts, Unresolved
from interlock.api.observed import Judged, Observed, Revision
from interlock.api.reasons import Reason
from interlock.api.steps import Judge
from interlock.api.values import GateResult, Purpose
from interlock.cluster.cache import Key
from interlock.gates import judge as run_gates
from interlock.gates import verdict as verdict_of
from interlock.policy import queries
from interlock.render import Unrenderable

Object = dict[str, Any]
KEPT_DECISIONS = 10
"""Newest decisions of a purpose that are kept, beside those that a transition names."""


async def judge(step: Judge, key: Key, ports: WorkPorts, seen: Observed) -> Applied:
    """Judge one revision for one purpose.

    Writes    AgentRevision where it is missing, GateDecision where its inputs changed.
    Repeat    at any point; the same inputs write nothing.
    Conflict  somebody else judged: observed again.
    """
    in_force = ports.governance.current
    if in_force is None:
        return Applied("there is no policy to judge by", again=False)
    trouble = await _judge(step, key, ports, seen, in_force)
    now = ports.traffic.clock()
    place = (step.revision, step.purpose)
    ports.memory(key).judged[place] = Judged(now, in_force.key, trouble or ("", ""))
    return Applied(trouble[1] if trouble else f"{step.revision} was judged for {step.purpose}")


async def _judge(
    step: Judge, key: Key, ports: WorkPorts, seen: Observed, in_force: InForce
) -> tuple[str, str] | None:
    spec = _spec_of(step, seen)
    if spec is None:
        return None
    config_maps = await config_maps_of(ports.traffic.client, key.namespace, spec)
    since = since_commit(ports.traffic.cache, key, seen)
    found = await gather(spec.dump(), since, key, ports, in_force)
    if isinstance(found, Unresolved):
        return found.reason, found.message
    tier = queries.tier_policy(in_force.policy, key.namespace, spec.risk_tier)
    sources = Sources(config_maps, tuple(found.files), tier.runtime_class if tier else "")
    try:
        revision = await ensure_revision(step.revision, key, ports, seen, sources)
    except Unrenderable as error:
        return Reason.INVALID.value, str(error)
    except Collision as error:
        return Reason.DIGEST_COLLISION.value, str(error)
    findings = with_config_maps(found, spec, config_maps)
    now = ports.traffic.clock()
    facts = build_facts(
        revision=revision,
        purpose=step.purpose,
        findings=findings,
        key=key,
        ports=ports,
        seen=seen,
        in_force=in_force,
        decisions=_decisions(ports, key, revision.name),
        now=now,
    )
    if len(facts.canonical()) > MAX_FACTS_BYTES:
        return Reason.INVALID.value, f"the facts exceed {MAX_FACTS_BYTES} bytes; attach less"
    await _decide(revision, facts, key, ports, in_force)
    return None


def _spec_of(step: Judge, seen: Observed) -> Any:
    if step.revision in seen.revisions:
        return seen.revisions[step.revision].spec
    return seen.wanted.spec if seen.wanted and step.purpose is Purpose.PROMOTION else None


async def _decide(
    revision: Revision,
    facts: Facts,
    key: Key,
    ports: WorkPorts,
    in_force: InForce,
) -> None:
    """Run the gates and write the decision, unless the newest one rests on the same inputs."""
    results = run_gates(facts, in_force.policy)
    outcomes = [_outcome(result) for result in results]
    fresh = min((one.fresh_until for one in results if one.fresh_until), default=None)
    inputs = digests.of_value(
        {
            "purpose": facts.purpose.value,
            "outcomes": outcomes,
            "freshUntil": stamp(fresh) if fresh else "",
            "facts": digests.sha256(facts.fingerprint()),
        }
    )
    known = _decisions(ports, key, revision.name)
    same = [one for one in known if one["spec"]["purpose"] == facts.purpose.value]
    if same and same[-1]["spec"]["inputs"] == inputs:
        return
    last = max((int(one["spec"]["number"]) for one in known), default=0)
    taken = ports.traffic.cache.of("GateDecision", key.home)
    number = unused(taken, revision.name, last + 1)
    expires = min((one.expires for one in results if one.expires), default=None)
    spec: Object = {
        "agent": {"namespace": key.namespace, "name": key.name, "uid": _uid(ports, key)},
        "revision": revision.name,
        "digest": revision.digest,
        "number": number,
        "purpose": facts.purpose.value,
        "verdict": verdict_of(results),
        "outcomes": outcomes,
        "facts": facts.canonical().decode(),
        "inputs": inputs,
        "policyDigest": in_force.policy.digest,
        "policyVersions": dict(in_force.versions),
        "at": facts.now,
    }
    spec |= {"expires": stamp(expires)} if expires else {}
    spec |= {"freshUntil": stamp(fresh)} if fresh else {}
    await _write(spec, number, key, ports)
    await _drop_old(same, key, ports)


async def _write(spec: Object, number: int, key: Key, ports: WorkPorts) -> None:
    created = await ports.traffic.client.create(
        {
            "apiVersion": names.API_VERSION,
            "kind": "GateDecision",
            "metadata": {
                "name": names.decision_name(spec["revision"], number),
                "namespace": key.home,
                "labels": {
                    names.LABEL_AGENT: key.name,
                    names.LABEL_REVISION: spec["revision"],
                },
            },
            "spec": ports.traffic.signer.sign("GateDecision", spec),
        }
    )
    ports.traffic.cache.merge(created)


async def _drop_old(same: list[Object], key: Key, ports: WorkPorts) -> None:
    records = ports.traffic.cache.of("AgentTransition", key.home).values()
    named = {record["spec"].get("decision") for record in records}
    for old in same[: -(KEPT_DECISIONS - 1)]:
        if old["metadata"]["name"] not in named:
            await ports.traffic.client.delete("GateDecision", key.home, old["metadata"]["name"])


def _decisions(ports: WorkPorts, key: Key, revision: str) -> list[Object]:
    found = [
        one
        for one in ports.traffic.cache.of("GateDecision", key.home).values()
        if one["spec"]["revision"] == revision
        and ports.traffic.keyring.valid("GateDecision", one["spec"])
    ]
    return sorted(found, key=lambda one: int(one["spec"]["number"]))


def _uid(ports: WorkPorts, key: Key) -> str:
    found = ports.traffic.cache.get("AgentDeployment", key.namespace, key.name)
    return str(found["metadata"]["uid"]) if found else ""


def _outcome(result: GateResult) -> Object:
    """Return a gate's answer as a decision keeps it: cut to what the schema allows."""
    fields: Object = {
        "gate": result.gate,
        "outcome": result.outcome.value,
        "reason": result.reason.value,
        "message": result.message[:4096],
        "got": result.got[:2048],
        "expected": result.expected[:2048],
        "unblock": [line[:1024] for line in result.unblock[:16]],
        "evidence": list(result.evidence[:64]),
    }
    return fields | ({"expires": stamp(result.expires)} if result.expires else {})
