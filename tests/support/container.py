"""Agents of the engine as real containers: the sample agent's images, addresses, and faults.

What an end-to-end test adds to `support.engine`: references that a node can pull, a policy that
grants them, and a way to tell a pod to go wrong, so that a failure is the agent's own doing.
"""

import http.client
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from interlock.api import names
from interlock.api.config import Config
from interlock_sandbox.agentimage import push_agent
from interlock_sandbox.install import install
from interlock_sandbox.prometheus import ClusterPrometheus
from interlock_sandbox.sandbox import Sandbox
from support.controller import TEAMS, configuration, quick_targets, write_configuration
from support.engine import Agent, Engine, until
from support.parts import running

Object = dict[str, Any]
SLOW = 90.0
"""Seconds that anything may take; a busy machine starts a container in ten."""
HEALTH = {"http": "/healthz"}
LEASE = (15.0, 2.0, 10.0)
"""A busy machine must not cost the controller its Lease."""


@contextmanager
def acting(sandbox: Sandbox) -> Iterator[Engine]:
    """Interlock on a node, a Prometheus that scrapes the agents, and a controller that acts."""
    install(sandbox.kubeconfig)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "kubernetes").symlink_to(sandbox.home / "kubernetes")
        engine = Engine.prepare(sandbox, home)
        engine.verifier.targets = targets(sandbox)
        engine.lease = LEASE
        with running(ClusterPrometheus(), home) as outputs:
            measured = configuration(home).dump() | {"prometheus": {"url": outputs["prometheus"]}}
            write_configuration(home, Config.model_validate(measured))
            with engine.acting():
                yield engine


def targets(sandbox: Sandbox) -> dict[str, bytes]:
    """The quick policy, with grants for the sandbox's registry and time for real containers."""
    quick = quick_targets()
    spaces, tiers, gates = (
        yaml.safe_load(quick[f"{name}.yaml"]) for name in ("namespaces", "tiers", "gates")
    )
    registry = sandbox.outputs["registry"]
    models = {"models": [{"name": "*"}], "artifacts": [f"{registry}/models/*"]}
    grants = {"images": [f"{registry}/agents/*"], **models}
    space = {"environment": "test", "grants": grants}
    spaces["namespaces"] |= dict.fromkeys(TEAMS, space)
    tiers["tiers"]["low"] |= {"readyWithin": "2m"}
    gates["signals"] |= {"initialDelay": "2s", "failures": 5, "restarts": 2, "silenceHolds": "10s"}
    return quick_targets(namespaces=spaces, tiers=tiers, gates=gates)


@dataclass(frozen=True)
class Live:
    """One agent whose pods run."""

    agent: Agent

    @classmethod
    def of(cls, engine: Engine, team: str) -> "Live":
        """An agent that nobody asked for anything yet."""
        return cls(engine.agent(team))

    def want(self, version: str, faults: str = "", **spec: Any) -> str:
        """The team asks for a version, which may have a fault from its start; its image."""
        defaults = spec.pop("defaults", {}) | ({"AGENT_FAULT": faults} if faults else {})
        registry = self.agent.engine.sandbox.outputs["registry"]
        image = push_agent(registry, version=version, defaults=defaults)
        rollout = {"bake": "1s", "drain": "10s"} | spec.pop("rollout", {})
        self.agent.want("", image=image, rollout=rollout, **({"health": HEALTH} | spec))
        return image

    def serves(self, version: str, **spec: Any) -> str:
        """Ask for a version and wait until it served healthy; its revision."""
        before = self.agent.status().get("serving", "-")
        self.want(version, **spec)
        return self.agent.revision(self.agent.healthy(before, SLOW))

    def moved(self, revision: str) -> None:
        """Wait until the pointer names something else than this revision, and not nothing."""
        until(
            self.agent.pointer, lambda name: name not in (revision, "", names.NO_REVISION),
            f"the pointer leaves {revision}", SLOW,
        )  # fmt: skip

    def warm(self) -> None:
        """Wait until it can go back at once."""
        self.agent.until("can go back", lambda status: status["rollback"] == "warm", SLOW)

    def drained(self, revision: str) -> None:
        """Wait until a left revision's pods were all restarted."""
        until(lambda: self._drained(revision), bool, f"{revision} is drained", SLOW)

    def address(self, service: str = names.POINTER_SERVICE) -> tuple[str, int]:
        """Where a Service answers."""
        spec = self.agent.api.get(self.agent.place("Service", service)).body["spec"]
        return spec["clusterIP"], spec["ports"][0]["port"]

    def pods(self, revision: str) -> list[Object]:
        """A revision's pods that nobody deleted, oldest first."""
        found = [
            pod
            for pod in self.agent.objects("Pod")
            if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION) == revision
            and "deletionTimestamp" not in pod["metadata"]
        ]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def tell(self, revision: str, fault: str, pods: int = 100) -> None:
        """Tell (so many of) a revision's pods to go wrong."""
        for pod in self.pods(revision)[:pods]:
            tell(pod["status"]["podIP"], fault)

    def last(self, type_: str) -> Mapping[str, Any]:
        """The newest committed AgentTransition of a type."""
        found = [one for one in self.agent.transitions() if one["spec"]["type"] == type_]
        return found[-1] if found else {}

    def _drained(self, revision: str) -> bool:
        found = self.agent.api.get(self.agent.place("Deployment", revision)).body
        marks = found["spec"]["template"]["metadata"].get("annotations") or {}
        status, wanted = found["status"], found["spec"]["replicas"]
        counts = [
            status.get(field, 0) for field in ("updatedReplicas", "replicas", "readyReplicas")
        ]
        return names.ANNOTATION_DRAINED in marks and counts == [wanted] * len(counts)

    def ended(self, type_: str) -> float:
        """When the newest AgentTransition of a type was ended, in seconds since the epoch."""
        at = self.last(type_)["status"]["end"]["at"]
        return datetime.fromisoformat(at).timestamp()


def tell(address: str, fault: str, port: int = 8080) -> None:
    """Tell one pod how to behave from now on."""
    with closing(http.client.HTTPConnection(address, port, timeout=10)) as connection:
        connection.request("POST", "/control", json.dumps({"fault": fault}))
        assert connection.getresponse().status == http.client.OK
