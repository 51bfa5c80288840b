"""One look at everything that stands in an agent's namespace.

Kinds that are watched are read from the caches; the others are listed, one request a kind.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from interlock.actions import drift
from interlock.actions import evidence_export as evidence
from interlock.actions.ports import WorkPorts
from interlock.actions.revisions import objects_of
from interlock.actions.stage import entitle
from interlock.actions.standing import LONGEST, Found, Standing
from interlock.actions.traffic import replicas_wanted
from interlock.api import names
from interlock.api.steps import Entitle
from interlock.cluster.cache import Key
from interlock.render import namespace
from interlock.render.admission import admitted

Object = dict[str, Any]

LISTED = (
    "NetworkPolicy",
    "ServiceAccount",
    "ResourceQuota",
    "Service",
    "ConfigMap",
    "RoleBinding",
    "Role",
)
"""Kinds that no watch keeps up to date for us. Of ConfigMaps the metadata only."""
WIDENS = frozenset({"NetworkPolicy", "RoleBinding"})
"""Kinds of which one that nobody rendered opens the agent, and so is deleted."""
PUBLISHED = frozenset({"kube-root-ca.crt", "istio-ca-root-cert", "openshift-service-ca.crt"})
"""ConfigMaps that platforms put into every namespace."""
MOST_OBJECTS = 500
"""Objects of a kind that are looked at; what is beyond is seen when these are gone."""


@dataclass(frozen=True, slots=True)
class Look:
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
        if live and (found := await self._standing.compared(rendered, live)):
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
        return await self.ports.traffic.client.page(
            kind, self.key.home, most=MOST_OBJECTS, metadata_only=light
        )

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

    async def _one(self, rendered: Object, listed: Object | None) -> Found | None:
        if rendered["kind"] == "ConfigMap":
            return await self._standing.config_map(rendered, listed)
        if rendered["kind"] == "Deployment":
            listed = self._cached("Deployment", rendered["metadata"]["name"])
        return await self._standing.compared(rendered, listed)

    async def _quota(self, live: Object | None) -> Found | None:
        """A quota that is not ours is made anew: its scopes could not be taken away."""
        team, name = self.key.namespace, self.key.name
        if live is None:
            return Found("ResourceQuota/agent: is missing", self._entitle)
        places = list(drift.quota_differences(team, name, live))
        if not places:
            return None

        async def replace() -> None:
            await self._standing.delete(live)
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
                yield Found(
                    drift.sentence(pod, places, LONGEST), partial(self._standing.delete, pod)
                )

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
                repair = partial(self._standing.delete, obj) if kind in WIDENS else None
                yield Found(drift.sentence(obj, ["nobody rendered it"], LONGEST), repair)

    def _cached(self, kind: str, name: str) -> Object | None:
        where = "" if kind == "Namespace" else self.key.home
        return self.ports.traffic.cache.get(kind, where, name)

    @property
    def _standing(self) -> Standing:
        return Standing(self.ports.traffic.client, self.key.home)


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
