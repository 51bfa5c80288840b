"""The git syncer without a network: repositories in a folder, and an API server in a dict."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from interlock.api import digests, names
from interlock.api.config import Config
from interlock.cluster.client import ClusterError, Conflict, Object
from interlock.evidence.git import Mirror
from interlock.evidence.gitrefs import NOTHING_SEEN
from interlock.sync.reconcile import Syncer
from support.facts import spec
from support.gitrepos import Repo, mirror
from support.policies import documents

URL = "https://git.example/line-4/agents.git"
OURS = {"interlock.dev/repository": "agents"}


class Cluster:
    """What the syncer needs of an API server, in a dict; `refuse` names objects it says no to."""

    def __init__(self) -> None:
        """Begin with a policy that grants the repository."""
        self.objects: dict[tuple[str, str], Object] = {}
        self.status: Object = {}
        self.writes: list[str] = []
        self.events: dict[str, Object] = {}
        self.refuse: dict[str, ClusterError] = {}
        self.govern(documents()["namespaces"])

    def govern(self, namespaces: Any) -> None:
        """Put a policy in force."""
        data = yaml.safe_dump(namespaces).encode()
        digest = digests.sha256(data)
        manifest = json.dumps({"targets": {"namespaces.yaml": digest}})
        self.put("ConfigMap", "governance-manifest", data={"manifest": manifest})
        blob = base64.b64encode(data).decode()
        self.put("ConfigMap", f"governance-{digest[:40]}", data={"blob": blob})

    def put(self, kind: str, name: str, labels: Object | None = None, **fields: Any) -> None:
        """Store an object."""
        meta: Object = {
            "name": name,
            "namespace": "line-4",
            "labels": labels or {},
            "uid": f"uid-{name}",
        }
        meta |= {"generation": 1}
        self.objects[kind, name] = {"kind": kind, "metadata": meta, **fields}

    def names(self) -> set[str]:
        """Return what lies in the team's namespace."""
        ours = ("governance-", "sync-tips-")
        return {n for _, n in self.objects if not n.startswith(ours)}

    async def get(self, kind: str, _: str, name: str) -> Object | None:
        """Return an object."""
        return self.objects.get((kind, name))

    async def list(self, kind: str, _: str, labels: str = "") -> list[Object]:
        """Return objects of a kind."""
        return [
            o
            for (k, _), o in self.objects.items()
            if k == kind and (not labels or labels in o["metadata"]["labels"])
        ]

    async def apply(self, obj: Object, manager: str) -> Object:
        """As the API server does: what is there and is not named stays."""
        assert manager == "interlock-sync"
        name = obj["metadata"]["name"]
        if name in self.refuse:
            raise self.refuse[name]
        self.writes.append(f"apply {name}")
        before = self.objects.get((obj["kind"], name), {}).get("spec") or {}
        spec = {**before, **(obj.get("spec") or {})}
        self.put(obj["kind"], name, obj["metadata"]["labels"], spec=spec)
        return self.objects[obj["kind"], name]

    async def create(self, obj: Object) -> None:
        """Store what is remembered, or told."""
        if obj["kind"] == "Event":
            if obj["metadata"]["name"] in self.events:
                raise Conflict(409, "it is there")
            self.events[obj["metadata"]["name"]] = obj
            return
        assert obj["metadata"]["namespace"] == names.SYSTEM_NAMESPACE
        key = obj["kind"], obj["metadata"]["name"]
        if key in self.objects:
            raise Conflict(409, "it is there")
        self.put(*key, data=obj["data"])

    async def json_patch(self, kind: str, _: str, name: str, operations: Sequence[Object]) -> None:
        """Replace a spec."""
        test, replace = operations
        assert test == {"op": "test", "path": "/metadata/generation", "value": 1}
        assert (replace["op"], replace["path"]) == ("replace", "/spec")
        self.writes.append(f"replace {name}")
        self.objects[kind, name]["spec"] = replace["value"]

    async def delete(self, kind: str, _: str, name: str, uid: str) -> None:
        """Remove an object."""
        assert uid == f"uid-{name}"
        self.writes.append(f"delete {name}")
        del self.objects[kind, name]

    async def merge_patch(self, *_: Any, subresource: str = "") -> Object:
        """Write a status, or remember more."""
        if not subresource:
            kind, _namespace, name, patch = _
            self.objects[kind, name]["data"] |= patch["data"]
            return {}
        assert subresource == "status"
        self.status = _[3]["status"]
        return self.status


class LocalSyncer(Syncer):
    """Reads the remote from a local path."""

    def __init__(self, cluster: Cluster, folder: Path, remote: Repo | None = None) -> None:
        """`remote` is what another syncer reads too."""
        super().__init__(cluster, Config(state_dir=folder))  # type: ignore[arg-type]
        self.remote = remote or Repo(folder / "remote.git")
        self.mine = mirror(folder / "mirror.git")

    def _mirror(self, *_: str) -> Mirror:
        remote, mine = self.remote, self.mine

        class Local(Mirror):
            async def fetch(self, url: str, refspecs: Any, seen: Any = NOTHING_SEEN) -> Any:
                return await mine.fetch(remote.url, refspecs, seen)

        return Local(mine._dir, allow_file=True)


def agent(name: str, **changes: Any) -> bytes:
    """Return an agent's file."""
    whole = {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name},
        "spec": spec(health=None, **changes),
    }
    return yaml.safe_dump(whole).encode()


def repository(**changes: Any) -> Object:
    """Return an AgentRepository."""
    return {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentRepository",
        "metadata": {"name": "agents", "namespace": "line-4", "uid": "u", "generation": 3},
        "spec": {"url": URL, "path": "agents"} | changes,
    }
