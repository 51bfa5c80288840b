"""Settled agents by the ten thousand: copies of one that went the real way, without pods.

Each copy has its own names and digests and is signed with the operator's record key, so that a
controller that starts afterwards finds what it would have left behind. The controller manager is
held meanwhile: nobody makes pods of the Deployments.
"""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchlib.agents import Agents
from benchlib.floor import bare
from benchlib.wire import Call, storm
from interlock.api import digests, names
from interlock.api.config import Config
from interlock.api.facts import Facts
from interlock.api.kinds import AgentDeploymentSpec
from interlock.audit.records import Signer, load_keys, record_digest
from interlock_sandbox.sandbox import Sandbox
from support.engine import Agent
from support.kube import JSON_PATCH, MERGE_PATCH, OURS, Api

Object = dict[str, Any]
RECORDS = ("AgentRevision", "GateDecision", "AgentTransition")
KINDS = ("AgentAdmission", "Service", *RECORDS, "Deployment")
NOTE = (
    "preloaded: copies of one settled agent with two revisions, signed with the operator's key, "
    "no pods, controller manager held; then the operator starts"
)


@contextmanager
def held(sandbox: Sandbox) -> Iterator[None]:
    """Hold the controller manager for the duration of the block."""
    pid = sandbox.state.pids["kube-controller-manager"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def preload(sandbox: Sandbox, fleet: Agents) -> None:
    """Copy the first agent of a fleet to all others; nobody but us may write meanwhile."""
    model, *others = fleet.all
    engine = model.engine
    config = Config.model_validate_json((engine.home / "config.json").read_text())
    assert config.records
    mould = Mould(model, load_keys(config.records)[0])
    account = (names.SYSTEM_NAMESPACE, names.CONTROLLER_ACCOUNT)
    controller = Api.admin(sandbox.kubeconfig_for(*account))
    storm(engine.api, ([mould.wish(one)] for one in others))
    uids = _uids(engine.api)
    storm(controller, (mould.cast(one, uids[one.team, one.name]) for one in others))
    storm(engine.api, (mould.ready(one) for one in others))


class Mould:
    """What one settled agent consists of, to be written again under other names."""

    def __init__(self, model: Agent, signer: Signer) -> None:
        self._model, self._signer = model, signer
        self._wish = model.api.get(model.path).body
        space = model.api.get(f"/api/v1/namespaces/{model.home}").body
        found = [{"kind": kind, **obj} for kind in KINDS for obj in model.objects(kind)]
        self._text = json.dumps([space, *found])
        self._contents = [
            (one["spec"]["digest"], AgentDeploymentSpec.model_validate(one["spec"]["content"]))
            for one in found
            if one["kind"] == "AgentRevision"
        ]

    def wish(self, agent: Agent) -> Call:
        """The AgentDeployment, as its team and the controller left it."""
        body = bare(self._wish) | {"kind": "AgentDeployment", "apiVersion": names.API_VERSION}
        path = f"{OURS}/namespaces/{agent.team}/agentdeployments"
        return Call("POST", path, json.loads(self._renamed(json.dumps(body), agent)))

    def cast(self, agent: Agent, uid: str) -> Iterator[Call]:
        """What the controller wrote for it: namespace, records, Services, Deployments, status."""
        mine = self._renamed(self._text, agent).replace(self._wish["metadata"]["uid"], uid)
        services = []
        for obj in json.loads(mine):
            kind, status = obj["kind"], obj.get("status")
            body = bare(obj)
            if kind in RECORDS:
                body["spec"] = self._signed(kind, body["spec"])
            yield Call("POST", _collection(agent, kind), body)
            if kind == "AgentTransition" and status:
                parts = {"status": self._ends(body["spec"], status)}
                name = obj["metadata"]["name"]
                yield Call("PATCH", f"{agent.place(kind, name)}/status", parts, MERGE_PATCH)
            if kind == "Service":
                services.append(_point(agent, obj))
        yield from services
        status = json.loads(self._renamed(json.dumps(self._wish["status"]), agent))
        yield Call("PATCH", f"{agent.path}/status", {"status": status}, MERGE_PATCH)

    def ready(self, agent: Agent) -> Iterator[Call]:
        """What the controller manager would say of its Deployments."""
        for obj in json.loads(self._renamed(self._text, agent)):
            if obj["kind"] == "Deployment":
                place = f"{agent.place('Deployment', obj['metadata']['name'])}/status"
                status = obj["status"] | {"observedGeneration": 1}
                yield Call("PATCH", place, {"status": status}, MERGE_PATCH)

    def _renamed(self, text: str, agent: Agent) -> str:
        text = text.replace(self._model.home, agent.home)
        for digest, content in self._contents:
            own = digests.content(agent.team, agent.name, content.dump())
            text = text.replace(digest, own).replace(digests.short(digest), digests.short(own))
        text = text.replace(self._model.name, agent.name)
        return text.replace(f'"{self._model.team}', f'"{agent.team}')

    def _signed(self, kind: str, spec: Object) -> Object:
        if kind == "GateDecision":
            facts = Facts.model_validate_json(spec["facts"])
            value = {
                "purpose": spec["purpose"],
                "outcomes": spec["outcomes"],
                "facts": digests.sha256(facts.fingerprint()),
            }
            spec = spec | {"inputs": digests.of_value(value)}
        return self._signer.sign(kind, spec)

    def _ends(self, spec: Object, status: Object) -> Object:
        digest = record_digest("AgentTransition", spec)
        found: Object = {}
        if end := status.get("end"):
            found["end"] = self._signer.sign_end(digest, end["outcome"], end["at"])
        if healthy := status.get("healthy"):
            found["healthy"] = self._signer.sign_healthy(digest, healthy["at"])
        return found


def _point(agent: Agent, service: Object) -> Call:
    where = "/spec/selector/" + names.LABEL_REVISION.replace("/", "~1")
    revision = service["spec"]["selector"][names.LABEL_REVISION]
    patch = [{"op": "replace", "path": where, "value": revision}]
    return Call("PATCH", agent.place("Service", service["metadata"]["name"]), patch, JSON_PATCH)


def _collection(agent: Agent, kind: str) -> str:
    return "/api/v1/namespaces" if kind == "Namespace" else agent.place(kind)


def _uids(api: Api) -> dict[tuple[str, str], str]:
    found: Sequence[Object] = api.get(f"{OURS}/agentdeployments").body["items"]
    metas = [obj["metadata"] for obj in found]
    return {(meta["namespace"], meta["name"]): meta["uid"] for meta in metas}
