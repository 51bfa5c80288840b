"""Brings each record of the cluster into the log once, whatever the order or number of its events.

It follows the records from the outside: a full disk delays the log, never a rollback. What it is
shown and may not log (a signature that does not hold, a record out of place) is kept as an alarm.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from interlock.api.values import Clock
from interlock.audit.chain import Chain, Entry, Event
from interlock.audit.records import Keyring, in_place, record_digest

Object = Mapping[str, Any]

MAX_ALARMS = 1000
"""Alarms kept, the newest; one is as loud as many."""
_ORDER = ("AgentRevision", "GateDecision", "AgentTransition")
_PENDING = "not taken up yet"


@dataclass(frozen=True, slots=True)
class Unlogged:
    """An event that is in the cluster and not in the log."""

    kind: str
    namespace: str
    name: str
    uid: str
    event: Event
    reason: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """One event as an object shows it."""

    kind: str
    namespace: str
    name: str
    uid: str
    event: Event
    part: Any
    spec: Any

    @property
    def key(self) -> tuple[str, Event, str]:
        # Without the kind's and the object's names an object without a UID would hide others.
        return self.uid, self.event, f"{self.kind}/{self.namespace}/{self.name}"

    def unlogged(self, reason: str) -> Unlogged:
        return Unlogged(self.kind, self.namespace, self.name, self.uid, self.event, reason)


def _now() -> datetime:
    return datetime.now(UTC)


class Follower:
    """Feeds one chain. Its methods may be called from several tasks."""

    def __init__(self, chain: Chain, keyring: Keyring, clock: Clock = _now) -> None:
        self._chain = chain
        self._keyring = keyring
        self._clock = clock
        self._alarms: dict[tuple[str, Event, str], Unlogged] = {}
        # A cancelled task leaves its thread running, so the threads themselves take turns.
        self._turn = threading.Lock()

    @property
    def unlogged(self) -> tuple[Unlogged, ...]:
        """What was shown and refused, newest last. Each is an alarm."""
        return tuple(self._alarms.values())

    async def observe(self, kind: str, obj: Object) -> int:
        """Take up what the log lacks of this object; return how many lines that were.

        Writes and syncs in a thread. Raises OSError where the disk fails; the chain is closed
        then and must be opened again.
        """
        return await asyncio.to_thread(self._observe, kind, obj)

    async def catch_up(self, objects: Iterable[tuple[str, Object]]) -> int:
        """Take up a full list of (kind, object), oldest first; return how many lines that were."""
        return sum([await self.observe(kind, obj) for kind, obj in sorted(objects, key=_age)])

    async def follow(self, source: AsyncIterator[tuple[str, Object]]) -> None:
        """Take up each (kind, object) of a watch, until it ends."""
        async for kind, obj in source:
            await self.observe(kind, obj)

    def missing(self, objects: Iterable[tuple[str, Object]]) -> list[Unlogged]:
        """Return what a full list of (kind, object) shows and the log lacks, and why."""
        lacking = []
        for seen in (seen for kind, obj in objects for seen in _events(kind, obj)):
            refusal = self._refusal(seen)
            if refusal or not self._chain.recorded(seen.uid, seen.event):
                lacking.append(seen.unlogged(refusal or _PENDING))
        return lacking

    def _observe(self, kind: str, obj: Object) -> int:
        with self._turn:
            return sum(self._take(seen) for seen in _events(kind, obj))

    def _take(self, seen: _Seen) -> int:
        refusal = self._refusal(seen)
        if not refusal and self._chain.recorded(seen.uid, seen.event):
            return 0
        try:
            if refusal:
                raise ValueError(refusal)
            self._chain.append(self._entry(seen))
        except ValueError as error:
            self._alarm(seen, str(error))
            return 0
        self._alarms.pop(seen.key, None)
        return 1

    def _entry(self, seen: _Seen) -> Entry:
        return Entry(
            at=self._clock().astimezone(UTC).isoformat(timespec="milliseconds"),
            kind=seen.kind,
            namespace=seen.namespace,
            name=seen.name,
            uid=seen.uid,
            event=seen.event,
            record=seen.part,
            record_digest=record_digest(seen.kind, seen.spec),
        )

    def _refusal(self, seen: _Seen) -> str:
        """Say why an event may not be in the log; empty where it may."""
        if not seen.uid:
            return "it has no UID"
        if not self._keyring.valid(seen.kind, seen.spec):
            return "the signature of the record does not hold, or no known key made it"
        if not in_place(seen.kind, seen.namespace, seen.name, seen.spec):
            return "it was signed as another record, in another place"
        digest = record_digest(seen.kind, seen.spec)
        if (self._chain.recorded(seen.uid, "Created") or digest) != digest:
            return "the log holds another record with this UID: the record was changed"
        if seen.event == "End" and not self._keyring.valid_end(digest, seen.part):
            return "the signature of its end does not hold"
        if seen.event == "Healthy" and not self._keyring.valid_healthy(digest, seen.part):
            return "the signature of its health does not hold"
        return ""

    def _alarm(self, seen: _Seen, reason: str) -> None:
        self._alarms.pop(seen.key, None)
        self._alarms[seen.key] = seen.unlogged(reason)
        if len(self._alarms) > MAX_ALARMS:
            del self._alarms[next(iter(self._alarms))]


def _events(kind: str, obj: Object) -> Iterator[_Seen]:
    """Yield what an object says happened: that it exists, and how a transition went on."""
    metadata, spec, status = (_mapping(obj.get(key)) for key in ("metadata", "spec", "status"))
    parts: list[tuple[Event, Any]] = [("Created", spec)]
    if kind == "AgentTransition":
        parts += [("End", status.get("end")), ("Healthy", status.get("healthy"))]
    namespace, name, uid = (str(metadata.get(key) or "") for key in ("namespace", "name", "uid"))
    for event, part in parts:
        if part is not None:
            yield _Seen(kind, namespace, name, uid, event, part, spec)


def _age(item: tuple[str, Object]) -> tuple[str, int, int]:
    kind, obj = item
    created = str(_mapping(obj.get("metadata")).get("creationTimestamp"))
    number = _mapping(obj.get("spec")).get("number")
    rank = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    return created, rank, number if isinstance(number, int) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
