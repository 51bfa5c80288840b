"""Compares one object with what the API server makes of the rendered one, and puts it right.

What it makes of it is asked once for each content, by a server-side apply that is a dry run under a
name that nobody has; after that a digest answers, for all agents with the same content.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from interlock.actions import drift
from interlock.api import names
from interlock.cluster.client import Client, Conflict, Invalid

Object = dict[str, Any]
Repair = Callable[[], Awaitable[object]]

LONGEST = 200
"""Characters of a sentence about one object."""
TRIES = 3
"""Writes against an object that changes meanwhile, as a Deployment's status does."""
REMEMBERED = 65536
_TRIAL = "as-rendered"

_known: OrderedDict[bytes, bytes] = OrderedDict()
"""Rendered content to what the API server makes of it, and UIDs of ConfigMaps found good; as
digests, for all agents of this process."""


@dataclass(frozen=True, slots=True)
class Found:
    """One object that is not as it was rendered."""

    what: str
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The objects of one namespace, as they should stand there."""

    client: Client
    home: str

    async def config_map(self, rendered: Object, listed: Object | None) -> Found | None:
        """Compare a ConfigMap, of which only the metadata was listed."""
        if listed and _good(listed, rendered):
            return None
        live = await self._live("ConfigMap", rendered["metadata"]["name"])
        found = await self.compared(rendered, live)
        if live is not None and found is None:
            _remember(live["metadata"]["uid"].encode(), b"")
        return found

    async def compared(self, rendered: Object, live: Object | None) -> Found | None:
        """Compare by digest; ask the API server only where that does not answer."""
        kind, name = rendered["kind"], rendered["metadata"]["name"]
        live = live or await self._live(kind, name)
        if live is None:
            repair = None if _is_pointer(rendered) else partial(self.client.apply, rendered)
            return Found(f"{kind}/{name}: is missing", repair)
        mark = drift.fingerprint(rendered)
        same = drift.marks(rendered) == drift.marks(live)
        if same and _known.get(mark) == drift.fingerprint(live):
            return None
        expected = await self._as_stored(rendered)
        _remember(mark, drift.fingerprint(expected))
        if drift.whole(expected) == drift.whole(live):
            return None
        return await self._confirmed(rendered, expected)

    async def _confirmed(self, rendered: Object, expected: Object) -> Found | None:
        """Look at the object itself: caches may be behind, and do not say who wrote it."""
        kind, name = rendered["kind"], rendered["metadata"]["name"]
        live = await self._live(kind, name)
        places = list(drift.differences(drift.whole(expected), drift.whole(live))) if live else []
        if live is None or not places:
            return None
        what = drift.sentence(live, places, LONGEST)
        if _is_pointer(live):
            return Found(what)
        if kind == "ConfigMap" and drift.content(expected) != drift.content(live):
            return Found(what, partial(self._anew, rendered, live))
        return Found(what, partial(self._mend, expected))

    async def _as_stored(self, rendered: Object) -> Object:
        """Return what the API server makes of a rendered object, by a dry run under a free name."""
        if rendered["kind"] == "Namespace":
            return rendered  # nothing is filled in there but `spec`, which is the server's
        trial = rendered | {"metadata": rendered["metadata"] | {"name": _TRIAL}}
        stored = await self.client.apply(trial, dry_run=True)
        return stored | {"kind": rendered["kind"], "metadata": rendered["metadata"]}

    async def _mend(self, expected: Object) -> None:
        kind, name = expected["kind"], expected["metadata"]["name"]
        where = None if kind == "Namespace" else self.home
        for attempt in range(1, TRIES + 1):
            live = await self._live(kind, name)
            if live is None:
                return
            try:
                await self.client.json_patch(kind, where, name, drift.mending(expected, live))
                return
            except (Conflict, Invalid):
                if attempt == TRIES:
                    raise

    async def _anew(self, rendered: Object, live: Object) -> None:
        """Replace what is immutable."""
        await self.delete(live)
        await self.client.apply(rendered)

    async def delete(self, live: Object) -> None:
        """Delete an object, and not another of its name."""
        meta = live["metadata"]
        await self.client.delete(live["kind"], self.home, meta["name"], uid=meta["uid"])

    async def _live(self, kind: str, name: str) -> Object | None:
        where = None if kind == "Namespace" else self.home
        found = await self.client.get(kind, where, name)
        return found | {"kind": kind} if found else None


def _is_pointer(obj: Object) -> bool:
    """The pointer is written to move traffic, and for nothing else (`cluster/pointer.py`)."""
    return bool(obj["kind"] == "Service" and obj["metadata"]["name"] == names.POINTER_SERVICE)


def _good(live: Object, rendered: Object) -> bool:
    """Whether a ConfigMap was compared before; its data can only change with its UID."""
    same = drift.marks(live) == drift.marks(rendered)
    return same and live["metadata"]["uid"].encode() in _known


def _remember(mark: bytes, what: bytes) -> None:
    _known[mark] = what
    if len(_known) > REMEMBERED:
        _known.popitem(last=False)
