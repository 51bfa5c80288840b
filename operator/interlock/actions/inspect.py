"""Puts back what somebody changed in an agent's namespace, past the policies that refuse it.

The policies are the lock; this is the patrol, for the day when an administrator took one off.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from interlock.actions import drift
from interlock.actions import evidence_export as evidence
from interlock.actions.ports import Applied, WorkPorts
from interlock.actions.revisions import objects_of
from interlock.actions.stage import entitle
from interlock.actions.traffic import replicas_wanted
from interlock.api import names
from interlock.api.steps import Entitle, Inspect
from interlock.cluster.cache import Key
from interlock.cluster.client import Client, ClusterError, Conflict, Invalid
from interlock.render import namespace
from interlock.render.admission import admitted

Object = dict[str, Any]
Repair = Callable[[], Awaitable[object]]

LISTED = (
    "NetworkPolicy",
    "ServiceAccount",
    "ResourceQuota",
    "Service",
    "ConfigMap",
    "RoleBinding",
    "Role",
)
"""Kinds that are listed: no watch keeps all of them up to date. Of ConfigMaps the names only."""
WIDENS = frozenset({"NetworkPolicy", "RoleBinding"})
"""Kinds of which one that nobody rendered opens the agent, and so is deleted."""
PUBLISHED = frozenset({"kube-root-ca.crt", "istio-ca-root-cert", "openshift-service-ca.crt"})
"""ConfigMaps that platforms put into every namespace."""
MOST_OBJECTS = 500
"""Objects of a kind that are looked at; what is beyond is seen when these are gone."""
MOST_REPAIRS = 64
MOST_SHOWN, LONGEST = 16, 200
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


async def inspect(step: Inspect, key: Key, ports: WorkPorts) -> Applied:
    """Compare an agent's namespace with what was rendered for it, and put right what differs.

    Writes    what differs, by JSON patch with a test of the version, or anew; deletes
              NetworkPolicies and RoleBindings that nobody rendered, and pods that were resized
              or debugged in. Never replicas, never a selector of a Service.
    Repeat    at any point.
    Conflict  tried again three times; what the API server refuses is reported and left.
    """
    memory = ports.memory(key)
    found = [one async for one in _Look(key, ports, step.revisions).everything()]
    done = 0
    said = []
    for one in found:
        trouble = await _repaired(one) if one.repair and done < MOST_REPAIRS else "left as it is"
        done += not trouble
        said.append((f"{one.what}; {trouble}" if trouble else one.what)[:LONGEST])
    memory.inspected, memory.drift = ports.traffic.clock(), tuple(said[:MOST_SHOWN])
    if done:
        memory.repairs.append(memory.inspected)
    return Applied(_summary(said, done))


async def _repaired(one: Found) -> str:
    """Return why a repair did not work; empty where it did."""
    try:
        if one.repair:
            await one.repair()
    except ClusterError as error:
        return f"not repaired: {error}"
    return ""


def _summary(said: list[str], done: int) -> str:
    if not said:
        return "everything is as it was rendered"
    return f"{len(said)} objects differed, {done} were put right: {'; '.join(said[:MOST_SHOWN])}"


@dataclass(frozen=True, slots=True)
class _Look:
    """One inspection of one agent."""

    key: Key
    ports: WorkPorts
    revisions: tuple[str, ...]

    async def everything(self) -> AsyncIterator[Found]:
        """Yield all that differs."""
        for part in (self._namespace(), self._objects(), self._pods(), self._entries()):
            async for one in part:
                yield one

    async def _namespace(self) -> AsyncIterator[Found]:
        rendered = namespace.namespace_objects(self.key.namespace, self.key.name, "")[0]
        # the API server's own
        rendered["metadata"]["labels"][namespace.NAMESPACE_NAME_LABEL] = self.key.home
        del rendered["metadata"]["annotations"]
        live = self._cached("Namespace", self.key.home)
        if live and (found := await self._compared(rendered, live)):
            yield found

    async def _objects(self) -> AsyncIterator[Found]:
        pages = await asyncio.gather(*(self._page(kind) for kind in LISTED))
        live = {(one["kind"], one["metadata"]["name"]): one for page in pages for one in page}
        for rendered in self._rendered():
            name = rendered["metadata"]["name"]
            found = await self._one(rendered, live.get((rendered["kind"], name)))
            if found:
                yield found
        quota = live.get(("ResourceQuota", namespace.QUOTA_NAME))
        if found := await self._quota(quota):
            yield found
        for found in self._unknown(live.values()):
            yield found

    async def _page(self, kind: str) -> list[Object]:
        light = kind == "ConfigMap"
        return await self._client.page(kind, self.key.home, most=MOST_OBJECTS, metadata_only=light)

    def _rendered(self) -> Iterator[Object]:
        """Yield what should stand there: the agent's own, and what was applied for revisions."""
        team, name = self.key.namespace, self.key.name
        for obj in namespace.namespace_objects(team, name, ""):
            if obj["kind"] in ("ServiceAccount", "NetworkPolicy", "Service"):
                yield obj
        yield namespace.pointer_service(team, name)
        shared = set()
        for revision in self.revisions:
            if not self._cached("Deployment", revision):
                continue  # it is not staged; staging applies all of it
            for obj in objects_of(self.ports, self.key, revision):
                place = (obj["kind"], obj["metadata"]["name"])
                if place not in shared:
                    shared.add(place)
                    yield obj

    async def _one(self, rendered: Object, live: Object | None) -> Found | None:
        kind, name = rendered["kind"], rendered["metadata"]["name"]
        if kind == "Deployment":
            live = self._cached(kind, name)
        elif kind == "ConfigMap" and live and _good(live, rendered):
            return None
        elif kind == "ConfigMap" or live is None:
            live = await self._client.get(kind, self.key.home, name)
        if live is None:
            return Found(f"{kind}/{name}: is missing", partial(self._client.apply, rendered))
        found = await self._compared(rendered, live | {"kind": kind})
        if kind == "ConfigMap" and found is None:
            _remember(live["metadata"]["uid"].encode(), b"")
        return found

    async def _compared(self, rendered: Object, live: Object) -> Found | None:
        """Compare by digest; ask the API server only where that does not answer."""
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
        if (kind, name) == ("Service", names.POINTER_SERVICE):
            return Found(what)  # it is written to move traffic, and for nothing else
        if kind == "ConfigMap" and drift.content(expected) != drift.content(live):
            return Found(what, partial(self._anew, rendered, live))
        return Found(what, partial(self._mend, expected))

    async def _as_stored(self, rendered: Object) -> Object:
        """Return what the API server makes of a rendered object, by a dry run under a free name."""
        if rendered["kind"] == "Namespace":
            return rendered  # nothing is filled in there but `spec`, which is the server's
        trial = rendered | {"metadata": rendered["metadata"] | {"name": _TRIAL}}
        stored = await self._client.apply(trial, dry_run=True)
        return stored | {"kind": rendered["kind"], "metadata": rendered["metadata"]}

    async def _mend(self, expected: Object) -> None:
        kind, name = expected["kind"], expected["metadata"]["name"]
        where = None if kind == "Namespace" else self.key.home
        for attempt in range(1, TRIES + 1):
            live = await self._live(kind, name)
            if live is None:
                return
            try:
                await self._client.json_patch(kind, where, name, drift.mending(expected, live))
                return
            except (Conflict, Invalid):
                if attempt == TRIES:
                    raise

    async def _anew(self, rendered: Object, live: Object) -> None:
        """Replace what is immutable."""
        await self._delete(live)
        await self._client.apply(rendered)

    async def _delete(self, live: Object) -> None:
        meta = live["metadata"]
        await self._client.delete(live["kind"], self.key.home, meta["name"], uid=meta["uid"])

    async def _quota(self, live: Object | None) -> Found | None:
        """A quota that is not ours is made anew: its scopes could not be taken away."""
        team, name = self.key.namespace, self.key.name
        if live is None:
            return Found("ResourceQuota/agent: is missing", self._entitle)
        places = list(drift.quota_differences(team, name, live))
        if not places:
            return None

        async def replace() -> None:
            await self._delete(live)
            await self._entitle()

        return Found(drift.sentence(live, places, LONGEST), replace)

    async def _entitle(self) -> None:
        """Write AgentAdmission and quota from what was rendered."""
        known = self.ports.traffic.cache.of("AgentRevision", self.key.home)
        admission = self._cached("AgentAdmission", names.ADMISSION_NAME) or {"spec": {}}
        entries = tuple(
            (one["name"], bool(one.get("eligible")))
            for one in admission["spec"].get("revisions") or []
            if one["name"] in known
        )
        quarantined = bool(admission["spec"].get("quarantined"))
        replicas = replicas_wanted(self.ports.traffic, self.key)
        await entitle(Entitle(entries, quarantined, replicas), self.key, self.ports)

    async def _entries(self) -> AsyncIterator[Found]:
        admission = self._cached("AgentAdmission", names.ADMISSION_NAME) or {"spec": {}}
        for live in admission["spec"].get("revisions") or []:
            record = self._cached("AgentRevision", live["name"])
            if record is None:
                continue  # `entitle` takes it off
            spec, eligible = record["spec"], bool(live.get("eligible"))
            expected = admitted(live["name"], spec["digest"], spec["objects"], eligible)
            places = list(drift.differences(expected, live, f"entry {live['name']}"))
            if places:
                yield Found(drift.sentence(admission, places, LONGEST), self._entitle)
                return  # one write puts all entries right

    async def _pods(self) -> AsyncIterator[Found]:
        for pod in list(self.ports.traffic.cache.of("Pod", self.key.home).values()):
            meta = pod["metadata"]
            revision = (meta.get("labels") or {}).get(names.LABEL_REVISION, "")
            objects = objects_of(self.ports, self.key, revision)
            if meta.get("deletionTimestamp") or not objects:
                continue
            if places := list(drift.pod_differences(objects, pod)):
                yield Found(drift.sentence(pod, places, LONGEST), partial(self._delete, pod))

    def _unknown(self, live: Iterable[Object]) -> Iterator[Found]:
        """Yield what stands there and was rendered for no revision, be it staged or not."""
        known = {
            (obj["kind"], obj["metadata"]["name"])
            for record in self.ports.traffic.cache.of("AgentRevision", self.key.home).values()
            for obj in record["spec"]["objects"]
        }
        known |= {(one["kind"], one["metadata"]["name"]) for one in self._rendered()}
        for obj in live:
            kind, name = obj["kind"], obj["metadata"]["name"]
            leaving = obj["metadata"].get("deletionTimestamp")
            if (kind, name) not in known and not leaving and not _expected(obj):
                repair = partial(self._delete, obj) if kind in WIDENS else None
                yield Found(drift.sentence(obj, ["nobody rendered it"], LONGEST), repair)

    async def _live(self, kind: str, name: str) -> Object | None:
        where = None if kind == "Namespace" else self.key.home
        found = await self._client.get(kind, where, name)
        return found | {"kind": kind} if found else None

    def _cached(self, kind: str, name: str) -> Object | None:
        where = "" if kind == "Namespace" else self.key.home
        return self.ports.traffic.cache.get(kind, where, name)

    @property
    def _client(self) -> Client:
        return self.ports.traffic.client


def _good(live: Object, rendered: Object) -> bool:
    """Whether a ConfigMap was compared before; its data can only change with its UID."""
    same = drift.marks(live) == drift.marks(rendered)
    return same and live["metadata"]["uid"].encode() in _known


def _expected(obj: Object) -> bool:
    """Whether something that nobody rendered belongs there all the same."""
    kind, meta = obj["kind"], obj["metadata"]
    if kind == "RoleBinding":
        return drift.is_for_people(obj)
    if kind == "ConfigMap":
        ours = (meta.get("labels") or {}).get(names.LABEL_MANAGED) == "true"
        return meta["name"] in PUBLISHED or (ours and meta["name"].startswith(evidence.PREFIX))
    known = {"ServiceAccount": "default", "ResourceQuota": namespace.QUOTA_NAME}
    return bool(meta["name"] == known.get(kind))


def _remember(mark: bytes, what: bytes) -> None:
    _known[mark] = what
    if len(_known) > REMEMBERED:
        _known.popitem(last=False)
