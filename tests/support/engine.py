"""Controllers as real processes against a real API server, and agents as a test looks at them."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from interlock.api import names
from interlock_sandbox.sandbox import Sandbox
from support.controller import Verifier, configuration, image, write_configuration
from support.kube import APPLY, OURS, Api

Object = dict[str, Any]
T = TypeVar("T")
WAIT = 30.0
"""Seconds that anything may take; it takes one or two."""
LEASE = (4.0, 0.5, 3.5)
"""Lease duration, renewal and deadline in seconds: a test can wait for a take-over."""
TESTS = Path(__file__).parents[1]
PLACES = {
    "Pod": "/api/v1",
    "Service": "/api/v1",
    "ResourceQuota": "/api/v1",
    "ConfigMap": "/api/v1",
    "ServiceAccount": "/api/v1",
    "Deployment": "/apis/apps/v1",
    "NetworkPolicy": "/apis/networking.k8s.io/v1",
}


def until(
    look: Callable[[], T], fits: Callable[[T], object], what: str, seconds: float = WAIT
) -> T:
    """Look again and again; return the first look that fits, or fail with the last one."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if fits(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; last: {seen}"
        time.sleep(0.05)


def plural(kind: str) -> str:
    """The name of a kind in a URL."""
    if kind == "NetworkPolicy":
        return "networkpolicies"
    return kind.lower() + ("es" if kind.endswith("s") else "s")


@dataclass
class Engine:
    """The controllers of one cluster and the verifier that they ask."""

    sandbox: Sandbox
    home: Path
    api: Api
    """The administrator."""
    verifier: Verifier
    lease: tuple[float, float, float] = LEASE
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def prepare(cls, sandbox: Sandbox, home: Path) -> "Engine":
        """Everything but a running process."""
        write_configuration(home, configuration(home))
        sandbox.kubeconfig_for(names.SYSTEM_NAMESPACE, names.CONTROLLER_ACCOUNT)
        verifier = Verifier(home / "verifier.sock")
        return cls(sandbox, home, Api.admin(sandbox.kubeconfig), verifier)

    @property
    def kubeconfig(self) -> Path:
        """The controller's own."""
        account = f"{names.SYSTEM_NAMESPACE}.{names.CONTROLLER_ACCOUNT}"
        return self.sandbox.home / f"{account}.kubeconfig"

    def start(
        self, name: str = "one", *options: str, config: Path | None = None, via: Path | None = None
    ) -> None:
        """Start a controller, where asked with another configuration or kubeconfig."""
        command = [sys.executable, "-m", "support.run_controller"]
        command += [f"--config={config or self.home / 'config.json'}"]
        command += [f"--kubeconfig={via or self.kubeconfig}"]
        command += ["--lease", *map(str, self.lease), *options]
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=TESTS, stdout=log, stderr=log, env=environment()
            )

    def kill(self, name: str = "one") -> None:
        """End a controller as a power cut would."""
        self._end(name, signal.SIGKILL)

    def stop(self, name: str = "one") -> int:
        """End a controller as Kubernetes does, and return its exit code."""
        return self._end(name, signal.SIGTERM)

    def close(self) -> None:
        """End whatever runs."""
        for name in list(self.running):
            self.kill(name)

    def log(self, name: str = "one") -> Path:
        """What a controller says."""
        return self.home / f"{name}.log"

    @contextmanager
    def acting(self) -> Iterator["Engine"]:
        """A verifier and a controller that acts, for the duration of the block."""
        with self.verifier.serving():
            self.start()
            try:
                until(self.governed, bool, f"a policy in force; see {self.log()}")
                yield self
            finally:
                self.close()

    def holder(self) -> str:
        """Which of the running controllers has the Lease; empty for none of them."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{names.SYSTEM_NAMESPACE}/leases"
        lease = self.api.get(f"{path}/interlock-controller").body
        pid = str((lease.get("spec") or {}).get("holderIdentity", "")).rpartition("-")[2]
        found = (name for name, process in self.running.items() if str(process.pid) == pid)
        return next(found, "")

    def governed(self) -> bool:
        """Whether a policy is in force that this verifier gave."""
        return bool(_status(self.api, f"{OURS}/governances/default").get("policyDigest"))

    def agent(self, team: str, name: str = "one") -> "Agent":
        """An agent of a team whose namespace is made here."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team}}
        answer = self.api.post("/api/v1/namespaces", body)
        assert answer.ok or answer.body.get("reason") == "AlreadyExists", answer.message
        return Agent(self, team, name)

    def _end(self, name: str, number: signal.Signals) -> int:
        process = self.running.pop(name)
        process.send_signal(number)
        return process.wait(WAIT)


@dataclass(frozen=True)
class Agent:
    """One agent, as kubectl shows it."""

    engine: Engine
    team: str
    name: str

    @property
    def api(self) -> Api:
        """The administrator."""
        return self.engine.api

    @property
    def home(self) -> str:
        """The agent's own namespace."""
        return names.agent_namespace(self.team, self.name)

    @property
    def path(self) -> str:
        """Where the AgentDeployment lies."""
        return f"{OURS}/namespaces/{self.team}/agentdeployments/{self.name}"

    def place(self, kind: str, name: str = "") -> str:
        """The URL path of objects in the agent's own namespace."""
        path = f"{PLACES.get(kind, OURS)}/namespaces/{self.home}/{plural(kind)}"
        return f"{path}/{name}" if name else path

    def want(self, mark: str, repository: str = "agent", **spec: Any) -> None:
        """The team asks for an image."""
        wish = {"riskTier": "low", "image": image(repository, mark)}
        wish |= {"rollout": {"bake": "1s", "drain": "1s"}} | spec
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentDeployment",
            "metadata": {"name": self.name, "namespace": self.team},
            "spec": wish,
        }
        answer = self.api.patch(self.path, body, APPLY, fieldManager="team", force="true")
        assert answer.ok, answer.message

    def status(self) -> Object:
        """What the AgentDeployment says; empty before it says anything."""
        return _status(self.api, self.path)

    def reason(self) -> str:
        """Why it stands still, as the conditions have it."""
        rows = self.status().get("conditions") or []
        return next((row["reason"] for row in rows if row["type"] == "Stalled"), "")

    def until(self, what: str, fits: Callable[[Object], object], seconds: float = WAIT) -> Object:
        """Wait until the status fits."""
        return until(self.status, fits, f"{self.team}/{self.name} {what}", seconds)

    def serves(self, mark: str, repository: str = "agent", **spec: Any) -> str:
        """Ask for an image, wait until it served healthy, and return what serves."""
        before = self.status().get("serving", "-")
        self.want(mark, repository, **spec)
        return self.healthy(before)

    def healthy(self, before: str = "-", seconds: float = WAIT) -> str:
        """Wait until something else than `before` served healthy; return its short digest."""
        status = self.until(
            f"serves healthy, and not {before}",
            lambda s: s.get("serving", "-") != before and s["candidate"] == "-" == s["reason"],
            seconds,
        )
        return str(status["serving"])

    def pointer(self) -> str:
        """The revision that the Service names; empty where there is none."""
        service = self.api.get(self.place("Service", names.POINTER_SERVICE)).body
        selector = (service.get("spec") or {}).get("selector") or {}
        return str(selector.get(names.LABEL_REVISION, ""))

    def revision(self, digest: str) -> str:
        """The name of the revision with this digest."""
        return names.revision_name(self.name, digest)

    def ask(self, kind: str, name: str, by: Api | None = None, **spec: Any) -> str:
        """An SRE creates a request, or whoever else is named; return its path."""
        collection = f"{OURS}/namespaces/{self.team}/{plural(kind)}"
        body = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.team},
            "spec": {"agent": self.name, "reason": "asked by a test"} | spec,
        }
        answer = (by or self.api).post(collection, body)
        assert answer.ok, answer.message
        return f"{collection}/{name}"

    def answer(self, request: str) -> Object:
        """Wait for the answer to a request."""
        return until(
            lambda: _status(self.api, request),
            lambda status: status.get("phase", "Pending") != "Pending",
            f"an answer to {request}",
        )

    def objects(self, kind: str) -> list[Object]:
        """All objects of a kind in the agent's own namespace."""
        return list(self.api.get(self.place(kind)).body.get("items") or [])

    def transitions(self) -> list[Object]:
        """All AgentTransitions by number."""
        return sorted(self.objects("AgentTransition"), key=lambda one: one["spec"]["number"])

    def types(self) -> list[str]:
        """Types and ends of all AgentTransitions, by number."""
        found = self.transitions()
        ends = [(one.get("status") or {}).get("end") or {} for one in found]
        kinds = [one["spec"]["type"] for one in found]
        return [f"{kind} {e.get('outcome', 'open')}" for kind, e in zip(kinds, ends, strict=True)]

    def decisions(self, purpose: str = "promotion") -> list[Object]:
        """All GateDecisions of a purpose by revision and number."""
        found = [one for one in self.objects("GateDecision") if one["spec"]["purpose"] == purpose]
        return sorted(found, key=lambda one: (one["spec"]["revision"], one["spec"]["number"]))

    def replicas(self, digest: str) -> int:
        """How many replicas a revision's Deployment asks for; -1 where there is none."""
        found = self.api.get(self.place("Deployment", self.revision(digest)))
        return int(found.body["spec"].get("replicas", 1)) if found.ok else -1

    def pods(self, digest: str) -> list[str]:
        """The names of a revision's pods."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.objects("Pod")
            if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION)
            == self.revision(digest)
        )

    def turn_unready(self, digest: str) -> None:
        """Write what a kubelet writes when the probes of all of a revision's pods fail."""
        for name in self.pods(digest):
            place = self.place("Pod", name)
            status = self.api.get(place).body.get("status") or {}
            for row in status.get("conditions") or []:
                row["status"] = "False" if row["type"].endswith("Ready") else row["status"]
            for one in status.get("containerStatuses") or []:
                one["ready"] = False
            self.api.patch(f"{place}/status", {"status": status})

    def admitted(self) -> dict[str, bool]:
        """The entries of AgentAdmission: revision to `eligible`."""
        found = self.api.get(self.place("AgentAdmission", names.ADMISSION_NAME)).body
        entries = (found.get("spec") or {}).get("revisions") or []
        return {entry["name"]: bool(entry.get("eligible")) for entry in entries}


@dataclass(frozen=True)
class Pair:
    """An agent that went from one healthy revision to another: `new` serves, `old` is warm.

    `old` is `-` where there was none.
    """

    agent: Agent
    old: str
    new: str


def serving(engine: Engine, teams: Iterable[str], seconds: float = WAIT) -> list[Pair]:
    """Make agents with one healthy revision all at once; one takes as long as twenty."""
    agents = [engine.agent(team) for team in teams]
    for agent in agents:
        agent.want("old")
    return [Pair(agent, "-", agent.healthy("-", seconds)) for agent in agents]


def pairs(engine: Engine, teams: Iterable[str], seconds: float = WAIT) -> list[Pair]:
    """Make agents with two healthy revisions all at once."""
    first = serving(engine, teams, seconds)
    for pair in first:
        pair.agent.want("new")
    found = [Pair(one.agent, one.new, one.agent.healthy(one.new, seconds)) for one in first]
    for pair in found:
        pair.agent.until("can go back", lambda status: status["rollback"] == "warm")
    return found


def _status(api: Api, path: str) -> Object:
    answer = api.get(path)
    return (answer.body.get("status") or {}) if answer.ok else {}


def role(port: int) -> str:
    """What a controller says it is: starting, standby or acting; empty where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def environment() -> dict[str, str]:
    """The environment in which a process imports what this one can."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
