"""Interlock as it runs in a cluster, all processes real, beside agents that tests spoil.

One team's agent is healthy: whatever becomes of another's, it keeps serving, and what its team
pushes still rolls out.
"""

import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from interlock.api import digests, names
from interlock.api.kinds import AgentDeploymentSpec
from interlock.cli import tufrepo
from interlock_sandbox.demo.processes import Interlock
from interlock_sandbox.gitserver import create_repository
from interlock_sandbox.images import push_image
from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support import policies, signed
from support.engine import until
from support.gitrepos import Repo
from support.kube import APPLY, OURS, Api

Object = dict[str, Any]
PARTS = ("kubernetes", "registry", "git")
GOOD, BAD, HANGING = "line-4", "line-5", "line-6"
"""Teams: a healthy one, a spoilt one, and one whose git server hangs."""
NEIGHBOUR = "neighbour"
FOLDER = "agents"
PROCESSES = ("verifier", "controller", "sync")


class Whole(Interlock):
    """Controller, verifier and syncer over a Kubernetes, a registry and a git server."""

    lease_duration = "10s"

    def __init__(self, sandbox: Sandbox, registries: Mapping[str, str]) -> None:
        """`registries` are MLflow's by name, and where they are said to be."""
        super().__init__(sandbox)
        for team, name in ((GOOD, "agents"), (GOOD, "approvals"), ("security", "governance")):
            self.repositories[name] = create_repository(self.outputs, f"{team}/{name}")
        self.registries = registries
        self.api = Api.admin(sandbox.kubeconfig)
        self.hanging = {
            name: create_repository(self.outputs, f"{HANGING}/hang-{name}")
            for name in ("agents", "approvals")
        }
        self.files: dict[str, bytes] = {}
        """What the healthy team's repository holds, by path."""
        self.pushed = 0

    def set_up(self) -> None:
        """Install the manifests, sign governance, start Interlock and the healthy agent."""
        install(self.sandbox.kubeconfig)
        root = self._governance_signed()
        self.config.write_text(yaml.safe_dump(self._settings(root)))
        for team in (GOOD, BAD, HANGING):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team}}
            self.post("/api/v1/namespaces", body)
        for name in PROCESSES:
            self.start(name)
        self.pid = self.processes["controller"].pid
        self.deliver(GOOD, self.repositories["agents"])
        self.roll_out()

    def post(self, collection: str, body: Object) -> None:
        """Create an object as administrator."""
        answer = self.api.post(collection, body)
        assert answer.ok, answer.message

    def deliver(self, team: str, url: str) -> None:
        """A team's administrators say that a repository delivers to their namespace."""
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentRepository",
            "metadata": {"name": "agents"},
            "spec": {"url": url, "path": FOLDER, "interval": "1s"},
        }
        self.post(f"{OURS}/namespaces/{team}/agentrepositories", body)

    def image(self, mark: str) -> str:
        """Push an image and return its reference."""
        registry, repository = self.outputs["registry"], "agents/good"
        return f"{registry}/{repository}@{push_image(registry, repository, {'m': mark.encode()})}"

    def spec(self, mark: str, **changes: Any) -> Object:
        """A spec with nothing wrong but `changes`."""
        good = {"riskTier": "low", "image": self.image(mark), "rollout": {"bake": "1s"}}
        return good | changes

    def apply(self, name: str, spec: Object, team: str = BAD) -> None:
        """The spoilt team asks for an agent without git."""
        body, query = agent(name, spec), {"fieldManager": "team", "force": "true"}
        answer = self.api.patch(self.path(team, name), body, APPLY, **query)
        assert answer.ok, answer.message

    def push(self, **files: bytes) -> str:
        """The healthy team pushes changed files; return the commit."""
        self.files |= {f"{FOLDER}/{name}.yaml": data for name, data in files.items()}
        self.pushed += 1
        return self._bare(GOOD, "agents").commit(self.files, message=f"push {self.pushed}")

    def roll_out(self, name: str = NEIGHBOUR) -> str:
        """The healthy team pushes a new content of an agent; return its digest when it serves."""
        spec = self.spec(f"{name} {self.pushed}")
        digest = digests.short(
            digests.content(GOOD, name, AgentDeploymentSpec.model_validate(spec).dump())
        )
        self.push(**{name: yaml.safe_dump(agent(name, spec)).encode()})
        self.until(GOOD, name, lambda s: (s.get("serving"), s.get("ready")) == (digest, "True"))
        return digest

    def roll_back(self, name: str, expect: str) -> None:
        """An SRE asks for the way back from what serves."""
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentRollback",
            "metadata": {"name": f"back-{name}"},
            "spec": {"agent": name, "expect": expect, "reason": "asked by a test"},
        }
        self.post(f"{OURS}/namespaces/{GOOD}/agentrollbacks", body)

    def peak(self, process: str) -> int:
        """The most memory that a process ever had, in bytes."""
        status = Path(f"/proc/{self.processes[process].pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    def unaffected(self) -> None:
        """The neighbour serves and gets a new content; the controller is the one that began."""
        assert self.seen(GOOD, NEIGHBOUR)["ready"] == "True"
        self.roll_out()
        self.alive()

    def alive(self) -> None:
        """The controller never ended, answers, and was surprised by nothing."""
        process = self.processes["controller"]
        assert (process.pid, process.poll()) == (self.pid, None), self.tails()
        with _OPENER.open(f"http://127.0.0.1:{self.metrics_port}/livez", timeout=10) as answer:
            assert answer.status == 200
        assert "Traceback" not in (self.home / "controller.log").read_text()

    def path(self, team: str, name: str, plural: str = "agentdeployments") -> str:
        """The URL path of an object of a team's."""
        return f"{OURS}/namespaces/{team}/{plural}/{name}"

    def seen(self, team: str, name: str, plural: str = "agentdeployments") -> Object:
        """What kubectl shows of an agent; empty before it shows anything."""
        answer = self.api.get(self.path(team, name, plural))
        return (answer.body.get("status") or {}) if answer.ok else {}

    def until(self, team: str, name: str, fits: Callable[[Object], object]) -> Object:
        """Wait until an agent's status fits."""
        what = f"the status of {team}/{name}; {self.home}"
        return until(lambda: self.seen(team, name), fits, what, 60.0)

    def delivery(self, team: str, fits: Callable[[Object], object]) -> Object:
        """Wait until the status of a team's AgentRepository fits."""
        look = lambda: self.seen(team, "agents", "agentrepositories")  # noqa: E731
        return until(look, fits, f"the repository of {team}", 60.0)

    def _bare(self, group: str, name: str) -> Repo:
        return Repo(Path(self.outputs["git_repositories"]) / group / f"{name}.git")

    def _governance_signed(self) -> Path:
        """Sign the policy, push it, and return the root that operators are given."""
        folder = self.home / "governance"
        tufrepo.init(folder, self.home / "governance-keys", self._targets())
        files = {str(one.relative_to(folder)): one for one in folder.rglob("*") if one.is_file()}
        self._bare("security", "governance").commit(
            {path: one.read_bytes() for path, one in files.items()}
        )
        return folder / "metadata" / "1.root.json"

    def _targets(self) -> dict[str, bytes]:
        here = self.repositories
        grants = {
            "images": [f"{self.outputs['registry']}/agents/*"],
            "models": [{"registry": name, "name": "press"} for name in self.registries],
        }
        sources = {GOOD: here, BAD: {}, HANGING: self.hanging}
        teams = {
            team: {"environment": "test", "grants": grants, "repositories": _source(repositories)}
            for team, repositories in sources.items()
        }
        times = {"minimumBake": "1s", "readyWithin": "20s"}
        tiers: dict[str, Object] = {"low": {"gates": []}, "medium": {"gates": ["image-signature"]}}
        return policies.targets(
            namespaces={"namespaces": teams},
            tiers={"tiers": {name: tier | times for name, tier in tiers.items()}},
            gates={"recheck": "1s"},
            trusted_root=signed.instance().trusted_root(),
        )

    def _settings(self, root: Path) -> Object:
        login = self.home / "interlock.login"
        login.write_text(f"interlock:{Path(self.outputs['git_interlock_token_file']).read_text()}")
        git = {"tokenFile": str(login), "caFile": self.outputs["git_ca_file"]}
        source = {"url": self.repositories["governance"], "rootFile": str(root)}
        return {
            "cluster": "factory",
            "registries": {name: {"mlflow": url} for name, url in self.registries.items()},
            "oci": [{"prefix": self.outputs["registry"], "plainHTTP": True}],
            "git": [git | {"prefix": self.outputs["git_url"]}],
            "governance": source | {"interval": "2s"},
            "records": {"keyFile": str(self.record_key)},
            "verifier": {"socket": str(self.home / "verifier.sock")},
            "stateDir": str(self.home / "state"),
        }


def agent(name: str, spec: Object) -> Object:
    """An AgentDeployment as a file has it."""
    metadata = {"name": name}
    kind = {"apiVersion": names.API_VERSION, "kind": "AgentDeployment"}
    return kind | {"metadata": metadata, "spec": spec}


def condition(status: Object, kind: str) -> Object:
    """A condition of a status; empty where it is not there."""
    return next((one for one in status.get("conditions") or [] if one["type"] == kind), {})


def _source(repositories: Mapping[str, str]) -> list[Object]:
    if not repositories:
        return []
    approvals = repositories["approvals"]
    return [{"url": repositories["agents"], "path": FOLDER, "approvals": approvals}]


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
