"""A fleet of AgentDeployments under the real controller: brought up, changed, rolled back.

Everything is real but the nodes (kwok) and the verifier (a double that answers at once).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchlib.report import say
from benchlib.wire import Call, Caller, Watch, storm
from interlock.api import digests, names
from interlock.api.kinds import AgentDeploymentSpec
from interlock_sandbox.install import install
from interlock_sandbox.process import tail
from interlock_sandbox.sandbox import Sandbox
from support.controller import image, quick_targets
from support.engine import Agent, Engine
from support.kube import APPLY, OURS

Object = dict[str, Any]
TEAMS = tuple(f"bench-{number:02}" for number in range(20))
MODELS = 10
"""Model versions over which a fleet is spread."""
LEASE = (30.0, 5.0, 20.0)
"""A busy machine must not cost the controller its Lease."""
POLICY = (
    "policy: the benchmark's own (no gates that need people, bake 1 s, recheck 10 min, no limit of "
    "promotions at once, no breakers); verifier: a double that answers at once; pods: kwok"
)
_UNLIMITED = {"promotions": 100_000, "fleetAgents": 100_000, "rollbacks": 100, "coolDown": "1s"}


@contextmanager
def controller(sandbox: Sandbox) -> Iterator[Engine]:
    """Interlock installed in a sandbox, and its controller acting by the benchmark's policy."""
    install(sandbox.kubeconfig)
    with tempfile.TemporaryDirectory() as home:
        engine = Engine.prepare(sandbox, Path(home))
        engine.verifier.targets = targets()
        engine.lease = LEASE
        try:
            with engine.acting():
                yield engine
        except Exception:
            for log in sorted(engine.home.glob("*.log")):  # one may have ended by itself
                say(f"{log.stem}: {tail(log)}")
            raise


def targets() -> dict[str, bytes]:
    """The benchmark's policy: the tests' quick one, without what holds a fleet back."""
    quick = quick_targets()
    gates = yaml.safe_load(quick["gates.yaml"]) | {"recheck": "10m"}
    gates["breakers"] = (gates.get("breakers") or {}) | _UNLIMITED
    tiers = yaml.safe_load(quick["tiers.yaml"])
    tiers["tiers"]["low"]["readyWithin"] = "10m"
    grants = {
        "images": ["registry.example/lab/*"],
        "models": [{"name": "bench"}],
        "artifacts": ["registry.example/models/*"],
    }
    space = {"environment": "test", "grants": grants}
    spaces = {"namespaces": dict.fromkeys(TEAMS, space)}
    return quick_targets(gates=gates, tiers=tiers, namespaces=spaces)


class Agents:
    """Agents of one controller, all of the same image, named by number."""

    def __init__(self, engine: Engine, count: int, models: int = MODELS) -> None:
        for team in TEAMS:
            engine.agent(team)
        self._engine, self._api, self._models = engine, engine.api, models
        self._patience = 60 + 2.0 * count
        self.all = [
            Agent(engine, TEAMS[number % len(TEAMS)], f"agent-{number:05}")
            for number in range(count)
        ]
        self._statuses = Watch(self._api, f"{OURS}/agentdeployments", _status)
        mine = f"{names.LABEL_MANAGED}=true"
        self._services = Watch(self._api, "/api/v1/services", _selected, mine)
        self._caller = Caller(self._api)
        self._asked = 0

    def want(self, mark: str) -> float:
        """Ask for an image for all agents at once; return when the first request was sent."""
        return storm(self._api, ([self._ask_for(n, mark)] for n in range(len(self.all))))[0]

    def staged(self, mark: str) -> float:
        """Wait until every object of every agent's revision is applied; return when."""
        return self._all_name(names.PREVIEW_SERVICE, mark)

    def serving(self, mark: str) -> float:
        """Wait until every agent's pointer names its revision with this image; return when."""
        return self._all_name(names.POINTER_SERVICE, mark)

    def two_revisions(self) -> None:
        """Bring all agents from `old` to `new`, both healthy, so that each can go back at once."""
        for mark in ("old", "new"):
            self.want(mark)
            self.serving(mark)
            self.settled(warm=mark == "new")

    def settled(self, *, warm: bool) -> None:
        """Wait until nothing moves and, where asked, every agent can go back at once."""
        for agent in self.all:
            self._settled(agent, warm=warm)

    def roll_back(self, number: int) -> float:
        """Roll one agent back from `new` to `old`; milliseconds from request to pointer."""
        agent = self.all[number]
        old, new = self._revision(number, "old"), self._revision(number, "new")
        pointer = f"{agent.home}/{names.POINTER_SERVICE}"
        self._services.when(pointer, lambda revision: revision == new)
        self._settled(agent, warm=True)
        sent = self._ask(agent, "AgentRollback", expect=_short(new))
        _, moved = self._services.when(pointer, lambda revision: revision == old)
        self._statuses.when(_key(agent), lambda status: status.get("gate") == "Held")
        return (moved - sent) * 1000

    def release(self, number: int) -> None:
        """Let the image that an agent was rolled back from return."""
        new = self._revision(number, "new")
        self._ask(self.all[number], "AgentRelease", digest=_short(new))

    def revoke_all(self) -> float:
        """Revoke the image that all serve; seconds from the new list to the last pointer.

        The clock starts when the verifier hands the new list to the controller, which then parses
        it and puts it in force.
        """
        verifier = self._engine.verifier
        verifier.revoke(image("agent", "new").rpartition(":")[2], "benchmark")
        moved = self.serving("old")
        return moved - verifier.handed[verifier.revocation_version]

    def _settled(self, agent: Agent, *, warm: bool) -> None:
        def fits(status: Object) -> bool:
            still = status.get("candidate") == "-" == status.get("reason")
            return still and (not warm or status.get("rollback") == "warm")

        self._statuses.when(_key(agent), fits, self._patience)

    def _all_name(self, service: str, mark: str) -> float:
        last = 0.0
        for number, agent in enumerate(self.all):
            wanted = self._revision(number, mark)
            key = f"{agent.home}/{service}"
            last = max(last, self._services.when(key, wanted.__eq__, self._patience)[1])
        return last

    def _revision(self, number: int, mark: str) -> str:
        agent = self.all[number]
        spec = AgentDeploymentSpec.model_validate(wish(number % self._models, mark))
        return agent.revision(digests.content(agent.team, agent.name, spec.dump()))

    def _ask_for(self, number: int, mark: str) -> Call:
        agent = self.all[number]
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentDeployment",
            "metadata": {"name": agent.name, "namespace": agent.team},
            "spec": wish(number % self._models, mark),
        }
        return Call("PATCH", f"{agent.path}?fieldManager=team&force=true", body, APPLY)

    def _ask(self, agent: Agent, kind: str, **spec: Any) -> float:
        self._asked += 1
        body = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": f"bench-{self._asked}", "namespace": agent.team},
            "spec": {"agent": agent.name, "reason": "benchmark"} | spec,
        }
        path = f"{OURS}/namespaces/{agent.team}/{kind.lower()}s"
        return self._caller.send(Call("POST", path, body))


def wish(model: int, mark: str) -> Object:
    """What an agent asks for: an image, and one of the model versions."""
    tree = f"sha256:{digests.sha256(f'model {model}'.encode())}"
    volume = f"registry.example/models/bench@sha256:{digests.sha256(tree.encode())}"
    return {
        "riskTier": "low",
        "image": image("agent", mark),
        "model": {"name": "bench", "version": str(model), "tree": tree, "volume": volume},
        "rollout": {"bake": "1s", "drain": "1s"},
    }


def _key(agent: Agent) -> str:
    return f"{agent.team}/{agent.name}"


def _short(revision: str) -> str:
    return revision.rpartition("-")[2]


def _status(obj: Object) -> Object:
    shown = ("serving", "candidate", "reason", "rollback", "gate")
    status = obj.get("status") or {}
    return {name: status[name] for name in shown if name in status}


def _selected(service: Object) -> str:
    selector = (service.get("spec") or {}).get("selector") or {}
    return str(selector.get(names.LABEL_REVISION, ""))
