"""`interlock check`: the verdict that the controller will give, from the controller's own code.

Findings, facts and gates are the same functions; only what serves is read with the user's rights,
and a file that is not pushed yet is judged as if HEAD were pushed.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click

from interlock.actions.facts import assemble, context_of, since_commit, with_config_maps
from interlock.api import digests, names
from interlock.api.config import Config
from interlock.api.facts import Change, Context, Evidence, Facts, Findings, Subject, Unresolved
from interlock.api.observed import Observed
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.cli import exits, ground, manifest, settings, usergit
from interlock.cli.exits import Failed, Refused
from interlock.cli.ground import Rules, Running
from interlock.cli.kubectl import Forbidden, Kubectl
from interlock.cli.manifest import AgentFile
from interlock.cli.why import verdict_lines
from interlock.cluster.cache import Key
from interlock.evidence import authors
from interlock.evidence.findings import Gatherer
from interlock.evidence.git import Mirror
from interlock.evidence.resolve import config_map_names
from interlock.evidence.wire import FindingsRequest
from interlock.gates import GATES, change_approval, grants, judge, verdict
from interlock.policy import queries


class Place(NamedTuple):
    """Where the agent stands: its cluster, and what serves there."""

    cluster: str
    kubectl: Kubectl | None
    """None where `--serving` was given, and the cluster is not asked."""
    seen: Observed
    since: str
    """The commit that brought what serves; empty where nobody knows."""
    serving: str | None
    """The digest of `--serving`, empty for none; None where the cluster was read."""


@click.command(epilog=exits.HELP)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--serving", default="", help=ground.SERVING)
@click.option("--require-approval", is_flag=True, help="Exit 1 also while approvals are missing.")
@click.option("-n", "--namespace", default="", help="Where the file does not say its namespace.")
@click.option("--kubeconfig", default="", metavar="FILE", help="As kubectl takes it.")
@click.option("--context", default="", metavar="NAME", help="As kubectl takes it.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@settings.option
def check(
    *,
    file: Path,
    serving: str,
    require_approval: bool,
    namespace: str,
    kubeconfig: str,
    context: str,
    output: str,
    config_file: Path | None,
) -> None:
    """Judge FILE as the controller will, and say what would turn each line.

    Exit code 0: every gate passes, or only approvals are missing; 1: a gate failed; 2: bad file
    or usage; 3: an error, nothing was judged.
    """
    config = settings.load(config_file)
    agent = manifest.read(file, namespace)
    rules = ground.rules(config)
    place = _place(config, Kubectl(kubeconfig, context), agent, serving)
    facts, results = asyncio.run(_judged(agent, config, rules, place))
    said = _as_json(facts, results) if output == "json" else _as_text(agent, facts, results, rules)
    click.echo(said)
    click.get_current_context().exit(code(results, facts, require_approval=require_approval))


def code(results: Sequence[GateResult], facts: Facts, *, require_approval: bool) -> int:
    """Return the exit code of a verdict."""
    said = verdict(results)
    if said == "Error":
        return exits.FAILED
    open_ones = [one for one in results if not one.outcome.lets_through]
    if said == "Waiting" and all(one.gate == change_approval.NAME for one in open_ones):
        return exits.REFUSED if require_approval and not _serves(facts) else exits.OK
    return exits.OK if said == "Allowed" and not held(facts, results) else exits.REFUSED


def _serves(facts: Facts) -> bool:
    """Whether this very content serves already, so that nothing would move."""
    return facts.context.serving == facts.subject.digest


def held(facts: Facts, results: Sequence[GateResult]) -> str:
    """Return why an allowed content would still not move: a hold that no approval lifts."""
    hold = next((h for h in facts.context.holds if h.behaviour == facts.subject.behaviour), None)
    counted = any(one.gate == change_approval.NAME and one.evidence for one in results)
    return f"its behaviour is held ({hold.cause})" if hold and not counted else ""


def _place(config: Config, kubectl: Kubectl, agent: AgentFile, said: str) -> Place:
    if said:
        seen = Observed(wanted=None)
        return Place(config.cluster, None, seen, "", ground.serving(said))
    key = Key(agent.namespace, agent.name)
    found: Running = ground.running(kubectl, key)
    since = since_commit(found.cache, key, found.seen)
    return Place(config.cluster, kubectl, found.seen, since, None)


async def _judged(
    agent: AgentFile, config: Config, rules: Rules, place: Place
) -> tuple[Facts, tuple[GateResult, ...]]:
    """Return the facts and the gates' answers; nothing is fetched that is not granted."""
    facts = _facts(agent, rules, place, Findings())
    granted = dict(GATES)[grants.NAME](facts, rules.policy)
    if granted.outcome is not Outcome.PASS:
        return facts, (granted,)
    findings = await _findings(agent, config, rules, place)
    facts = _facts(agent, rules, place, findings)
    return facts, judge(facts, rules.policy)


def _facts(agent: AgentFile, rules: Rules, place: Place, findings: Findings) -> Facts:
    return assemble(
        subject=agent.subject,
        purpose=Purpose.PROMOTION,
        findings=findings,
        policy=rules.policy,
        context=_context(rules, place, agent.subject),
        now=datetime.now(UTC),
    )


def _context(rules: Rules, place: Place, subject: Subject) -> Context:
    context = context_of(place.seen, rules.policy, place.cluster, subject)
    if place.serving is None:
        return context
    told = {"serving": place.serving, "predecessors": [place.serving or names.NO_REVISION]}
    return context.model_copy(update=told)


async def _findings(agent: AgentFile, config: Config, rules: Rules, place: Place) -> Findings:
    gatherer = Gatherer(config)
    request = FindingsRequest(
        namespace=agent.namespace,
        name=agent.name,
        spec=agent.dumped,
        targets=rules.targets,
        since=place.since,
    )
    try:
        found = await gatherer.findings(request)
    finally:
        await gatherer.close()
    if isinstance(found, Unresolved):
        raise Failed(found.message)
    if found.change is None:
        change = await _own_change(agent, rules, place, found.evidence)
        found = found.model_copy(update={"change": change})
    return with_config_maps(found, agent.spec, _config_maps(agent, place.kubectl))


async def _own_change(
    agent: AgentFile, rules: Rules, place: Place, evidence: Sequence[Evidence]
) -> Change | None:
    """Return whose hands were on the file in the user's clone, as if HEAD were pushed."""
    clone = usergit.Clone.around(agent.path)
    if clone is None:
        return None
    path = clone.relative(agent.path)
    try:
        clone.committed(path)
    except Refused:
        return None
    source = usergit.source(clone, rules.policy, agent.namespace, path)
    if source is None:
        return None
    mirror = Mirror(clone.git_dir)
    found = await authors.change(mirror, source.url, source.ref, path, clone.head, place.since)
    return await authors.containing(mirror, found, evidence)


def _config_maps(agent: AgentFile, kubectl: Kubectl | None) -> dict[str, Mapping[str, str] | None]:
    """Return ConfigMaps as they will be delivered: from beside the file, else from the cluster."""
    beside = manifest.config_maps(agent.path.parent)
    wanted = sorted(config_map_names(agent.spec))
    return {
        name: beside[name] if name in beside else _stored(kubectl, agent.namespace, name)
        for name in wanted
    }


def _stored(kubectl: Kubectl | None, namespace: str, name: str) -> Mapping[str, str] | None:
    if kubectl is None:
        return None
    try:
        found = kubectl.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    except Forbidden:
        return None
    return (found.get("data") or {}) if found else None


def _as_json(facts: Facts, results: Sequence[GateResult]) -> str:
    body = {
        "content": facts.subject.digest,
        "serving": facts.context.serving,
        "verdict": verdict(results),
        "held": held(facts, results),
        "policyDigest": facts.policy_digest,
        "outcomes": [one.plain() for one in results],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _as_text(agent: AgentFile, facts: Facts, results: Sequence[GateResult], rules: Rules) -> str:
    serves = digests.short(facts.context.serving) if facts.context.serving else "nothing"
    tier = queries.effective_tier(rules.policy, agent.namespace, agent.spec.risk_tier)
    lines = [
        f"{agent.namespace}/{agent.name} would be {digests.short(agent.digest)};"
        f" {serves} serves. Tier {tier or 'unknown'}.",
        "",
        *verdict_lines([one.plain() for one in results]),
    ]
    if why := held(facts, results):
        lines.append(f"  held   {why}")
    said = "It serves already; nothing would move" if _serves(facts) else verdict(results)
    return "\n".join([*lines, "", f"{said}. Policy {facts.policy_digest[:10]}."])
