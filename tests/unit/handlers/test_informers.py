"""What kopf does not say: that it lost its watch, and what was deleted while it had none."""

import asyncio
from typing import Any, cast

from interlock.api import names
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client, ClusterError
from interlock.handlers.informers import Informers

Object = dict[str, Any]
KEY = Key("line-4", "press")


class Cluster:
    """Lists what is there now."""

    def __init__(self, *there: Object) -> None:
        self.there, self.asked = list(there), 0
        self.error: ClusterError | None = None

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """What the API server would answer."""
        self.asked += 1
        if self.error:
            raise self.error
        return [one for one in self.there if one["kind"] == kind]


def pod(name: str, version: int = 1) -> Object:
    """A pod of the agent."""
    meta = {"name": name, "namespace": KEY.home, "uid": f"uid-{name}"}
    return {"kind": "Pod", "metadata": meta | {"resourceVersion": str(version)}}


def owner() -> Object:
    """The agent's namespace, by which its pods are known as its own."""
    meta = {"name": KEY.home, "uid": "uid-home", "resourceVersion": "1"}
    marks = {names.ANNOTATION_OWNER: names.owner_mark(KEY.namespace, KEY.name, "uid")}
    return {"kind": "Namespace", "metadata": meta | {"annotations": marks}}


class World:
    """An informer with one pod known, `a`, and another one there, `b`."""

    def __init__(self) -> None:
        self.cluster, self.cache, self.changed = Cluster(pod("b")), Cache(), list[Key]()
        self.cache.merge(owner())
        client = cast(Client, self.cluster)
        self.informers = Informers(client, self.cache, self._told)

    def _told(self, key: Key, kind: str) -> None:
        assert kind == "Pod"
        self.changed.append(key)

    async def tell(self, event: str | None, obj: Object) -> None:
        """One event of kopf, and whatever it sets off."""
        await self.informers._handler("Pod")(event={"type": event, "object": obj})
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await task

    @property
    def pods(self) -> list[str]:
        """The pods that are known."""
        return sorted(self.cache.of("Pod", KEY.home))


async def test_what_was_deleted_while_the_watch_was_lost_is_forgotten() -> None:
    world = World()
    await world.tell("ADDED", pod("a"))
    world.changed.clear()
    await world.tell(None, pod("b"))

    assert world.pods == ["b"]
    assert KEY in world.changed


async def test_the_first_list_asks_for_nothing() -> None:
    world = World()
    await world.tell(None, pod("a"))
    await world.tell(None, pod("b"))

    assert (world.cluster.asked, world.pods) == (0, ["a", "b"])


async def test_a_list_that_fails_forgets_nothing_and_the_next_one_is_asked() -> None:
    world = World()
    await world.tell("ADDED", pod("a"))
    world.cluster.error = ClusterError(500, "down")
    await world.tell(None, pod("b"))
    assert world.pods == ["a", "b"]

    world.cluster.error = None
    await world.tell(None, pod("b", version=2))
    assert world.pods == ["b"]
