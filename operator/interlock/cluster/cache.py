"""What the informers saw last, indexed so that one agent is read without a search.

Objects are merged by resourceVersion, so that a late event never replaces a newer answer of our
own writes. Nothing here decides; nothing here waits.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from interlock.api import names

Object = dict[str, Any]
WATCHED: tuple[str, ...] = (
    "AgentDeployment",
    "AgentRollback",
    "AgentQuarantine",
    "AgentRelease",
    "AgentBreakGlass",
    "AgentRevision",
    "GateDecision",
    "AgentTransition",
    "AgentAdmission",
    "Namespace",
    "Service",
    "Deployment",
    "Pod",
)
LABELLED = frozenset({"Namespace", "Service", "Deployment", "Pod"})
"""Kinds of which only those in agents' hands are watched, by label."""
REQUESTS = ("AgentRollback", "AgentQuarantine", "AgentRelease", "AgentBreakGlass")
EMPTY: Mapping[str, Object] = {}


class Key(NamedTuple):
    """An agent: the namespace and name of its AgentDeployment."""

    namespace: str
    name: str

    @property
    def home(self) -> str:
        """The agent's own namespace."""
        return names.agent_namespace(self.namespace, self.name)


def is_owned(namespace: Object, key: Key) -> bool:
    """Whether a namespace was made by Interlock for this agent.

    The mark alone could be anybody's; the label only the controller may give.
    """
    meta = namespace["metadata"]
    mark = str((meta.get("annotations") or {}).get(names.ANNOTATION_OWNER, ""))
    managed = (meta.get("labels") or {}).get(names.LABEL_MANAGED) == "true"
    return managed and mark.startswith(f"{key.namespace}/{key.name}/")


class Cache:
    """All watched objects, by kind, namespace and name."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, dict[str, Object]]] = {}
        self._owners: dict[str, Key] = {}

    def merge(self, obj: Object) -> bool:
        """Take in an object unless a newer one is known; say whether it was taken in."""
        meta = obj["metadata"]
        place = self._objects.setdefault(obj["kind"], {}).setdefault(meta.get("namespace", ""), {})
        known = place.get(meta["name"])
        if known is not None and _version(known) >= _version(obj):
            return False
        meta.pop("managedFields", None)
        place[meta["name"]] = obj
        self._own(obj)
        return True

    def remove(self, obj: Object) -> None:
        """Forget an object that is gone; one created anew under its name stays."""
        meta = obj["metadata"]
        place = self._objects.get(obj["kind"], {}).get(meta.get("namespace", ""), {})
        known = place.get(meta["name"])
        if known is not None and known["metadata"]["uid"] == meta["uid"]:
            del place[meta["name"]]

    def forget_unwatched(self) -> None:
        """Forget namespaces that no watch keeps up to date: those that are not ours."""
        for obj in list(self.all("Namespace")):
            if names.LABEL_MANAGED not in (obj["metadata"].get("labels") or {}):
                self.remove(obj)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object as it was seen last."""
        return self._objects.get(kind, {}).get(namespace, EMPTY).get(name)

    def of(self, kind: str, namespace: str) -> Mapping[str, Object]:
        """Return all objects of a kind in a namespace, by name."""
        return self._objects.get(kind, {}).get(namespace, EMPTY)

    def all(self, kind: str) -> Iterator[Object]:
        """Yield all objects of a kind."""
        for place in self._objects.get(kind, {}).values():
            yield from list(place.values())

    def key_of(self, obj: Object) -> Key | None:
        """Return the agent that an object is about, where it is about one."""
        meta = obj["metadata"]
        if obj["kind"] == "AgentDeployment":
            return Key(meta["namespace"], meta["name"])
        if obj["kind"] in REQUESTS:
            return Key(meta["namespace"], str(obj.get("spec", {}).get("agent", "")))
        home = meta["name"] if obj["kind"] == "Namespace" else meta.get("namespace", "")
        return self._owners.get(home)

    def _own(self, obj: Object) -> None:
        if obj["kind"] == "AgentDeployment":
            key = Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
            self._owners[key.home] = key
        elif obj["kind"] == "Namespace":
            mark = (obj["metadata"].get("annotations") or {}).get(names.ANNOTATION_OWNER, "")
            parts = mark.split("/")
            if len(parts) == 3 and Key(parts[0], parts[1]).home == obj["metadata"]["name"]:
                self._owners.setdefault(obj["metadata"]["name"], Key(parts[0], parts[1]))


def _version(obj: Object) -> int:
    """Return the resourceVersion as a number; etcd's are comparable within a kind."""
    text = obj["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0
