"""Asks the verifier, and holds its answer to what was known before.

The verifier's mirrors are caches. A git server that shows a new mirror an older history, or leaves
a rejection out, must not do better than with one that remembers. So each question names where the
file's branch was when the last decision was made, and each veto lies with us, signed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from interlock.actions.parse import facts_of
from interlock.actions.ports import InForce, WorkPorts
from interlock.api import digests, names
from interlock.api.facts import NOT_FAST_FORWARD, Approval, Findings, Unresolved
from interlock.api.reasons import Reason
from interlock.cluster.cache import Key
from interlock.evidence.wire import MAX_SEEN, SeenTip
from interlock.policy import Policy, queries

Vetoes = Mapping[str, Mapping[str, Approval]]
"""Content to envelope to what was said."""
KIND = "Vetoes"
MAX_BYTES = 512 * 1024
"""Of all of them; a ConfigMap holds a MiB."""
MAX_CONTENTS = 32
"""Contents whose vetoes are remembered of one agent, the newest; each has 64 at most."""


async def gather(
    spec: Mapping[str, Any], since: str, key: Key, ports: WorkPorts, in_force: InForce
) -> Findings | Unresolved:
    """Return what the world says of a spec, and what it said before and has no right to forget.

    Writes    ConfigMap `vetoes-<agent's namespace>` in our own namespace, where a veto is new;
              it outlives the agent and its AgentRepository.
    Repeat    at any point.
    """
    ask = partial(
        ports.evidence.findings,
        namespace=key.namespace,
        name=key.name,
        spec=spec,
        targets=in_force.targets,
        since=since,
        seen=[*islice(_decided(ports, key), 1)],
    )
    found = await ask()
    if _moved(found) and (rewritten := await _rewritten(ports, key)):
        found = await ask(rewritten=rewritten)
    if isinstance(found, Unresolved):
        return found
    content = digests.content(key.namespace, key.name, spec)
    return await _with_vetoes(found, content, key, ports, in_force.policy)


def _decided(ports: WorkPorts, key: Key) -> Iterator[SeenTip]:
    """Yield where the branch was that brought the agent's file, by our decisions, newest first."""
    known = [
        one["spec"]
        for one in ports.traffic.cache.of("GateDecision", key.home).values()
        if ports.traffic.keyring.valid("GateDecision", one["spec"])
    ]
    newest = sorted(known, key=lambda each: str(each["at"]), reverse=True)
    for change in (facts_of(spec["facts"]).get("change") or {} for spec in newest):
        if change.get("commit"):
            about = {name: change[name] for name in ("repository", "ref", "commit")}
            yield SeenTip.model_validate(about)


def _moved(found: Findings | Unresolved) -> bool:
    denied = found.denied if isinstance(found, Findings) else []
    return any(each.code == NOT_FAST_FORWARD for each in denied)


async def _rewritten(ports: WorkPorts, key: Key) -> list[str]:
    """Return the commits that the team's administrators let follow a rewritten history.

    What we decided on and left since is none of them: who named it did not mean a way back.
    """
    known = await ports.traffic.client.list("AgentRepository", key.namespace)
    named = {str(one["spec"].get("rewrittenTo", "")) for one in known}
    decided = [tip.commit for tip in _decided(ports, key)]
    return sorted(named - ({*decided} - {*decided[:1]}) - {""})[:MAX_SEEN]


async def _with_vetoes(
    found: Findings, content: str, key: Key, ports: WorkPorts, policy: Policy
) -> Findings | Unresolved:
    memory = ports.memory(key)
    try:
        if memory.vetoes is None:
            memory.vetoes = await _load(key, ports)
    except (ValueError, KeyError, TypeError) as error:
        place = f"ConfigMap {names.SYSTEM_NAMESPACE}/{names.vetoes(key.home)}"
        return Unresolved(
            reason=Reason.BAD_RECORD,
            message=f"{place}, which remembers who rejected what, cannot be used: {error}",
        )
    known = memory.vetoes.get(content, {})
    new = {each.envelope: each for each in _vetoes(found.approvals, policy, ports)}
    if new.keys() - known.keys():
        vetoes = _newest({**memory.vetoes, content: {**known, **new}}, content)
        await _store(vetoes, key, ports)
        memory.vetoes = vetoes  # now only: what could not be stored is stored at the next look
    merged = {**known, **{each.envelope: each for each in found.approvals}}
    return found.model_copy(update={"approvals": [merged[name] for name in sorted(merged)]})


def _vetoes(approvals: Iterable[Approval], policy: Policy, ports: WorkPorts) -> Iterable[Approval]:
    """Yield what persons rejected or took back; a stranger's word is not kept."""
    now = ports.traffic.clock()
    for each in approvals:
        if each.decision != "approve" and queries.person_of(policy, each, now):
            yield each


def _newest(vetoes: Vetoes, content: str) -> Vetoes:
    """Return the vetoes with those on `content` last, and without the oldest that are too many."""
    others = [item for item in vetoes.items() if item[0] != content]
    newest = [*others, (content, vetoes[content])][-MAX_CONTENTS:]
    sizes = [sum(len(one.model_dump_json()) for one in said.values()) for _, said in newest]
    first = next(
        n for n in range(len(newest)) if sum(sizes[n:]) <= MAX_BYTES or n == len(newest) - 1
    )
    return dict(newest[first:])


async def _load(key: Key, ports: WorkPorts) -> Vetoes:
    name = names.vetoes(key.home)
    found = await ports.traffic.client.get("ConfigMap", names.SYSTEM_NAMESPACE, name)
    if found is None:
        return {}
    value = json.loads(found["data"]["vetoes"])
    if not ports.traffic.keyring.valid(KIND, value) or value["agent"] != key.home:
        raise ValueError("none of our keys signed it for this agent")
    return {
        content: {each["envelope"]: Approval.model_validate(each) for each in said}
        for content, said in value["contents"]
    }


async def _store(vetoes: Vetoes, key: Key, ports: WorkPorts) -> None:
    contents = [
        [content, [each.dump() for each in said.values()]] for content, said in vetoes.items()
    ]
    signed = ports.traffic.signer.sign(KIND, {"agent": key.home, "contents": contents})
    name = names.vetoes(key.home)
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": names.SYSTEM_NAMESPACE},
        "data": {"vetoes": digests.canonical(signed).decode()},
    }
    await ports.traffic.client.apply(body)
