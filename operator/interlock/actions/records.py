"""Writes AgentTransitions: the intent before the effect, and how it ended.

Creating `<agent>-<n>` is the lock: a second writer gets 409 and looks again. Whatever the API
server answers is merged into the cache at once, so that the next decision sees it.
"""

import itertools
from collections.abc import Container
from datetime import datetime
from typing import Any

from interlock.actions.ports import TrafficPorts
from interlock.api import names
from interlock.api.kinds.records import Ending
from interlock.api.reasons import Reason
from interlock.api.steps import Commit, MoveBack, Record
from interlock.audit.records import record_digest
from interlock.cluster.cache import Key

Object = dict[str, Any]


def stamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 with microseconds, in UTC."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def open_record(ports: TrafficPorts, key: Key, step: MoveBack | Commit | Record) -> Object:
    """Create the signed record of a step. Raises Conflict where somebody else was first."""
    number = _next_number(ports, key)
    spec = ports.signer.sign("AgentTransition", _spec(ports, key, step, number))
    created = await ports.client.create(
        {
            "apiVersion": names.API_VERSION,
            "kind": "AgentTransition",
            "metadata": {
                "name": names.transition_name(key.name, number),
                "namespace": key.home,
                "labels": {names.LABEL_AGENT: key.name},
            },
            "spec": spec,
        }
    )
    ports.cache.merge(created)
    return created


async def end(ports: TrafficPorts, record: Object, outcome: Ending) -> None:
    """Write once how a record ended."""
    digest = record_digest("AgentTransition", record["spec"])
    signed = ports.signer.sign_end(digest, outcome, stamp(ports.clock()))
    await _status(ports, record, {"end": signed})


async def mark_healthy(ports: TrafficPorts, record: Object) -> None:
    """Write once that the bake of a promotion ended well."""
    digest = record_digest("AgentTransition", record["spec"])
    signed = ports.signer.sign_healthy(digest, stamp(ports.clock()))
    await _status(ports, record, {"healthy": signed})


async def _status(ports: TrafficPorts, record: Object, fields: Object) -> None:
    meta = record["metadata"]
    written = await ports.client.merge_patch(
        "AgentTransition", meta["namespace"], meta["name"], {"status": fields}, subresource="status"
    )
    ports.cache.merge(written)


def _next_number(ports: TrafficPorts, key: Key) -> int:
    """Return the number after our newest record's; names that a forgery took are stepped over."""
    known = ports.cache.of("AgentTransition", key.home)
    specs = sorted((obj["spec"] for obj in known.values()), key=_number, reverse=True)
    valid = (spec for spec in specs if ports.keyring.valid("AgentTransition", spec))
    return unused(known, key.name, _number(next(valid, {})) + 1)


def unused(known: Container[str], stem: str, number: int) -> int:
    """Return the first number from `number` on for which no record is named `<stem>-<number>`."""
    return next(n for n in itertools.count(number) if f"{stem}-{n}" not in known)


def _number(spec: Object) -> int:
    return int(spec.get("number", 0))


def _spec(ports: TrafficPorts, key: Key, step: MoveBack | Commit | Record, number: int) -> Object:
    wanted = ports.cache.get("AgentDeployment", key.namespace, key.name)
    uid = wanted["metadata"]["uid"] if wanted else ""
    spec: Object = {
        "agent": {"namespace": key.namespace, "name": key.name, "uid": uid},
        "number": number,
        "from": step.origin,
        "to": step.to,
        "digest": step.digest,
        "behaviour": step.behaviour,
        "nonces": list(step.nonces)[:64],
        "at": stamp(ports.clock()),
    }
    if isinstance(step, Commit):
        return (
            spec
            | {
                "type": "Promotion",
                "reason": Reason.PROMOTED.value,
                "decision": step.decision,
            }
            | ({"switch": step.switch} if step.switch else {})
            | ({"breakGlass": list(step.break_glass)} if step.break_glass else {})
            | ({"ratifyBy": stamp(step.ratify_by)} if step.ratify_by else {})
        )
    request = step.request
    by = request.requested_by if request else getattr(step, "requested_by", "")
    decision = getattr(step, "decision", "")
    spec |= {"decision": decision} if decision else {}
    if request and request.expires:
        spec |= {"ticket": request.ticket, "expires": stamp(request.expires)}
    return spec | {
        "type": step.type,
        "cause": step.cause,
        "reason": str(step.reason),
        "message": step.message[:1024],
        "requestedBy": by,
        "request": request.uid if request else "",
        "cut": getattr(step, "cut", False),
    }
