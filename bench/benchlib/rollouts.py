"""The peer's side: blue-green Rollouts of Argo Rollouts, each with an active Service.

Undone within `scaleDownDelaySeconds`, which is its fast way back: the replicas of the last version
still run, and analysis is skipped.
"""

from typing import Any

from benchlib.wire import Call, Caller, Watch, storm
from support.controller import image
from support.engine import until
from support.kube import MERGE_PATCH, Api

Object = dict[str, Any]
NAMESPACE = "peer"
ARGO = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/rollouts"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
HASH = "rollouts-pod-template-hash"
KEPT = 24 * 3600
"""Seconds that the last version keeps running: as long as any run, like a warm revision."""


class Rollouts:
    """Rollouts in one namespace, all of the same image, named by number."""

    def __init__(self, api: Api, count: int) -> None:
        self._api, self._count = api, count
        self._patience = 120 + 2.0 * count
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        assert api.post("/api/v1/namespaces", body).ok
        until(lambda: api.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default").ok, bool,
              "the namespace's account")  # fmt: skip
        self._states = Watch(api, ARGO, _state)
        self._services = Watch(api, SERVICES, _selected)
        self._caller = Caller(api)

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [f"agent-{number:05}" for number in range(self._count)]

    def create(self) -> float:
        """Create a Service and a Rollout each; return when the first request was sent."""
        calls = (
            [Call("POST", SERVICES, _service(name)), Call("POST", ARGO, _rollout(name, "old"))]
            for name in self.names
        )
        return storm(self._api, calls)[0]

    def patch(self, mark: str) -> float:
        """Change the image of all at once; return when the first request was sent."""
        return storm(self._api, ([_change(name, mark)] for name in self.names))[0]

    def serving(self, before: dict[str, str]) -> float:
        """Wait until every active Service names something else than before; return when."""
        last = 0.0
        for name in self.names:
            last = max(last, self._moved(name, before.get(name, "")))
        return last

    def pointers(self) -> dict[str, str]:
        """What each active Service names."""
        return {name: self._services.get(f"{NAMESPACE}/{name}") or "" for name in self.names}

    def settled(self, mark: str) -> None:
        """Wait until all are healthy with this image."""
        for name in self.names:
            self._settled(name, mark)

    def undo(self, number: int, old: str) -> float:
        """Patch one template back to `old`; milliseconds from request to active Service.

        Goes forward again afterwards, so that it can be undone again.
        """
        name = self.names[number]
        key = f"{NAMESPACE}/{name}"
        self._settled(name, "new")
        new = self._services.get(key)
        sent = self._caller.send(_change(name, "old"))
        _, moved = self._services.when(key, old.__eq__)
        self._settled(name, "old")
        self._caller.send(_change(name, "new"))
        self._services.when(key, new.__eq__)
        self._settled(name, "new")
        return (moved - sent) * 1000

    def undo_all(self) -> float:
        """Patch all templates back at once; seconds from the first request to the last Service."""
        before = self.pointers()
        sent = self.patch("old")
        return self.serving(before) - sent

    def _moved(self, name: str, origin: str) -> float:
        def elsewhere(selected: str) -> bool:
            return selected not in ("", origin)

        return self._services.when(f"{NAMESPACE}/{name}", elsewhere, self._patience)[1]

    def _settled(self, name: str, mark: str) -> None:
        wanted = (image("agent", mark), True)
        self._states.when(f"{NAMESPACE}/{name}", wanted.__eq__, self._patience)


def _change(name: str, mark: str) -> Call:
    spec = {"template": {"spec": _pod(mark)}}
    return Call("PATCH", f"{ARGO}/{name}", {"spec": spec}, MERGE_PATCH)


def _service(name: str) -> Object:
    ports = [{"port": 80, "targetPort": 8080}]
    spec = {"selector": {"app": name}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _rollout(name: str, mark: str) -> Object:
    labels = {"app": name}
    switch = {"activeService": name, "scaleDownDelaySeconds": KEPT}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(mark)},
            "strategy": {"blueGreen": switch},
        },
    }


def _pod(mark: str) -> Object:
    return {"containers": [{"name": "agent", "image": image("agent", mark)}]}


def _state(rollout: Object) -> tuple[str, bool]:
    """The image that is asked for, and whether all of it is in place."""
    spec, status = rollout["spec"], rollout.get("status") or {}
    seen = status.get("observedGeneration") == str(rollout["metadata"].get("generation"))
    healthy = seen and status.get("phase") == "Healthy"
    return spec["template"]["spec"]["containers"][0]["image"], healthy


def _selected(service: Object) -> str:
    return str(((service.get("spec") or {}).get("selector") or {}).get(HASH, ""))
