"""What the machine gives to a bare script: the same writes, and nothing that decides."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from benchlib.wire import WIDTH, Call, storm
from interlock.api import names
from interlock_sandbox.sandbox import Sandbox
from support.engine import Agent
from support.kube import APPLY, JSON_PATCH, Api

Object = dict[str, Any]
NAMESPACE = "floor"
TEAM = "floor"
TWO_WRITES = f"floor of a mass rollback: a ConfigMap and a Service patch each, {WIDTH} at once"
SIDE_BY_SIDE = 16
"""Agents at once: as many as the controller has workers for this."""
SAME_OBJECTS = (
    "floor of objects applied: a bare script that dry-runs and then writes each object that the "
    f"controller made for an agent, {SIDE_BY_SIDE} agents at once, with the controller's account"
)
APPLIED = ("NetworkPolicy", "ResourceQuota", "AgentAdmission", "Deployment")
CREATED = ("ServiceAccount", "Service", "AgentRevision", "GateDecision", "AgentTransition")
_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_OF_THE_SPEC = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "finalizers")


def two_writes(api: Api, count: int) -> float:
    """Write an intent and patch a selector for each of `count`; seconds for all."""
    place = f"/api/v1/namespaces/{NAMESPACE}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    assert api.post("/api/v1/namespaces", body).ok
    agents = [f"agent-{number:05}" for number in range(count)]
    spec = {"selector": {"revision": "new"}, "ports": [{"port": 80}]}
    services = ({"metadata": {"name": name}, "spec": spec} for name in agents)
    storm(api, ([Call("POST", f"{place}/services", service)] for service in services))
    started, ended = storm(api, (_pair(place, name) for name in agents))
    return ended - started


@dataclass(frozen=True, slots=True)
class Copy:
    """All that the controller made for one agent, as text to write for others."""

    model: Agent
    text: str

    @classmethod
    def of(cls, model: Agent) -> Self:
        """Read it: namespace, account, policies, quota, Services, records, Deployment."""
        found = [obj for kind in (*CREATED, *APPLIED) for obj in _of(model, kind)]
        space = model.api.get(f"/api/v1/namespaces/{model.home}").body
        return cls(model, json.dumps([bare(obj) for obj in (space, *found)]))

    def write(self, sandbox: Sandbox, count: int) -> float:
        """Write it for so many others, each object after a dry run; seconds for all."""
        account = (names.SYSTEM_NAMESPACE, names.CONTROLLER_ACCOUNT)
        controller = Api.admin(sandbox.kubeconfig_for(*account))
        engine = self.model.engine
        agents = [Agent(engine, TEAM, f"{self.model.name[:-5]}{n:05}") for n in range(count)]
        started, ended = storm(controller, (self._calls(one) for one in agents), SIDE_BY_SIDE)
        return ended - started

    def _calls(self, agent: Agent) -> Iterator[Call]:
        mine = self.text.replace(self.model.home, agent.home)
        mine = mine.replace(self.model.name, agent.name)
        for obj in json.loads(mine.replace(f'"{self.model.team}', f'"{agent.team}')):
            call = _write(obj, agent)
            dry = "&" if "?" in call.path else "?"
            yield Call(call.method, f"{call.path}{dry}dryRun=All", call.body, call.media)
            yield call


def _pair(place: str, name: str) -> list[Call]:
    intent = {"metadata": {"name": name}, "data": {"from": "new", "to": "old", "why": "x" * 1000}}
    where = "/spec/selector/revision"
    patch = [
        {"op": "test", "path": where, "value": "new"},
        {"op": "replace", "path": where, "value": "old"},
    ]
    return [
        Call("POST", f"{place}/configmaps", intent),
        Call("PATCH", f"{place}/services/{name}", patch, JSON_PATCH),
    ]


def _of(model: Agent, kind: str) -> Sequence[Object]:
    found = model.api.get(_place(model, kind)).body
    about = {"kind": kind, "apiVersion": found["apiVersion"]}
    own = [one for one in found["items"] if one["metadata"]["name"] != "default"]
    return [about | one for one in own]


def bare(obj: Object) -> Object:
    """An object as somebody would write it: without what the API server added."""
    kept = {key: value for key, value in obj.items() if key != "status"}
    kept["metadata"] = {k: v for k, v in obj["metadata"].items() if k not in _SERVERS}
    if isinstance(spec := obj.get("spec"), dict) and obj["kind"] in ("Service", "Namespace"):
        kept["spec"] = {key: value for key, value in spec.items() if key not in _OF_THE_SPEC}
    if obj["kind"] == "Service":  # each begins at no revision, or it is refused
        kept["spec"]["selector"] = obj["spec"]["selector"] | {names.LABEL_REVISION: "none"}
    return kept


def _write(obj: Object, agent: Agent) -> Call:
    name = obj["metadata"]["name"]
    if obj["kind"] == "Namespace":
        return Call("POST", "/api/v1/namespaces", obj)
    if obj["kind"] in APPLIED:
        query = f"fieldManager={names.FIELD_MANAGER}&force=true"
        return Call("PATCH", f"{_place(agent, obj['kind'])}/{name}?{query}", obj, APPLY)
    return Call("POST", _place(agent, obj["kind"]), obj)


def _place(agent: Agent, kind: str) -> str:
    if kind == "ServiceAccount":
        return f"/api/v1/namespaces/{agent.home}/serviceaccounts"
    return agent.place(kind)
