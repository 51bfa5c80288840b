"""The bridge at work on the sandbox's real Gitea: people, an agent's repository, its approvals."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from interlock.api import digests
from interlock.api.config import Config
from interlock.api.facts import Approval, Findings
from interlock.api.values import GateResult
from interlock.bridge.governed import Governed
from interlock.bridge.look import Bridge, Watch
from interlock.bridge.opinion import Judge
from interlock.bridge.port import Forge as Port
from interlock.bridge.service import forge as adapter
from interlock.bridge.service import ledgers
from interlock.bridge.signing import Key
from interlock.evidence import approvals
from interlock.evidence.git import mirror_for
from interlock.gates import change_approval
from interlock.policy.parse import parse
from support import facts, policies
from support.forgetown import NO_BUNDLES, agent_file
from support.gitea import Clone, Forge, Person, Pull
from support.sshkeys import write_private_key


def spec(mark: str) -> dict[str, Any]:
    """The good spec, and others that differ from it in what is healthy; "5b" is the good one."""
    if mark == "5b":
        return facts.spec()
    limit = int(mark, 16) / 1000
    return facts.spec(health={"metrics": [{"name": "reject-rate", "query": "up", "max": limit}]})


@dataclass
class Line:
    """A production line's repositories at the forge, its people, and the bridge between."""

    forge: Forge
    home: Path
    people: dict[str, Person]
    agents: str
    approvals: str
    clone: Clone
    keeper: Person
    """Looks after the repository: protects, dismisses, merges."""
    bridge: Person
    accounts: dict[str, list[int]] = field(default_factory=dict)
    """Further accounts of a person, as governance says."""
    skew: timedelta = timedelta()
    """How far the bridge's clock was moved: two words need two seconds."""
    built: tuple[Watch, Governed, Config] | None = None
    ports: list[Port] = field(default_factory=list)

    def agent(self, mark: str = "5b") -> str:
        """The agent's file."""
        return agent_file(**spec(mark)).decode()

    def content(self, mark: str = "5b") -> str:
        """The content digest of that file."""
        return facts.subject(**spec(mark)).digest

    def propose(self, mark: str = "5b", branch: str = "change", **files: str) -> Pull:
        """A pull request of the developer's that brings the agent."""
        whole = {facts.PATH: self.agent(mark), **files}
        return self.forge.propose(self.agents, self.clone, branch, whole)[0]

    async def look(self) -> None:
        """One look of the bridge, a while after the last."""
        self.skew += timedelta(seconds=5)
        watch, governed, _ = self._bridge()
        await watch.look(governed)

    async def words(self, mark: str = "5b") -> list[tuple[str, str]]:
        """Who said what of a content, by the statements in git, oldest first."""
        found = sorted(await self.recorded(self.content(mark)), key=lambda one: one.not_before)
        return [(one.person, one.decision) for one in found]

    async def recorded(self, content: str) -> list[Approval]:
        """What the verifier reads."""
        _, _, config = self._bridge()
        url, ref = self.forge.clone_url(self.approvals), approvals.ref_of(content)
        mirror = mirror_for(self.home / "reader", url, config.git)
        await mirror.fetch(url, {ref: ref})
        found, denied = await approvals.read(mirror, content, NO_BUNDLES)
        assert not denied, denied
        return found

    async def verdict(self, mark: str = "5b") -> GateResult:
        """What the gate says of a content, when the file is on its way to be delivered."""
        _, governed, _ = self._bridge()
        subject = facts.subject(**spec(mark))
        url = self.forge.clone_url(self.agents)
        change = facts.change().model_copy(update={"repository": url})
        now = (datetime.now(UTC) + self.skew).isoformat()
        found = await self.recorded(subject.digest)
        judged = facts.good_facts(subject=subject, approvals=found, change=change, now=now)
        return change_approval.evaluate(judged, governed.policy)

    def status(self, pull: Pull) -> Any:
        """The check on the head."""
        head = pull.head(self.keeper)
        found = self.keeper.api.statuses(self.agents, head)
        return found.get(f"interlock/{policies.NAMESPACE}/{facts.NAME}")

    def _documents(self) -> dict[str, Any]:
        made = policies.documents()
        for person in made["people"]["people"]:
            known = self.people.get(person["id"])
            ids = [known.account.id] if known else []
            ids += self.accounts.get(person["id"], [])
            person["accounts"] = [{"forge": self.forge.url, "id": number} for number in ids]
        key = policies.ssh_line("bridge")
        made["trust"]["bridges"] = [{"forge": self.forge.url, "key": key}]
        for tier in made["tiers"]["tiers"].values():
            tier["strengths"] = ["signed", "forge"]
            # no evidence that could grow old is asked for
            tier["gates"] = ["grants", *(["change-approval"] if tier.get("quorum") else [])]
        source = made["namespaces"]["namespaces"][policies.NAMESPACE]["repositories"][0]
        source["url"] = self.forge.clone_url(self.agents)
        source["approvals"] = self.forge.clone_url(self.approvals)
        return made

    def _bridge(self) -> tuple[Watch, Governed, Config]:
        if self.built is None:
            self.built = self._start()
        return self.built

    def restart(self) -> None:
        """The bridge as a new process: it remembers nothing."""
        self.built = None

    async def close(self) -> None:
        """Close the connections of all bridges."""
        for port in self.ports:
            await port.close()

    def _start(self) -> tuple[Watch, Governed, Config]:
        token = self.bridge.account.token
        (self.home / "token").write_text(token)
        (self.home / "git").write_text(f"{self.bridge.name}:{token}")
        ca_file = str(self.forge.admin.ca_file)
        git = {"prefix": f"{self.forge.url}/", "tokenFile": str(self.home / "git")}
        one = {"url": self.forge.url, "kind": "gitea", "tokenFile": str(self.home / "token")}
        key = write_private_key("bridge", self.home / "bridge-key")
        config = Config.model_validate(
            {
                "cluster": "factory",
                "stateDir": str(self.home / "state"),
                "git": [git | {"caFile": ca_file}],
                "forgeBridge": {"keyFile": str(key), "forges": [one | {"caFile": ca_file}]},
            }
        )
        assert config.forge_bridge
        targets = policies.targets(**self._documents())
        judge: Any = Judge(_Verifier(self), "factory")  # type: ignore[arg-type]
        bridge = Bridge(
            self.forge.url,
            "factory",
            Key.read(key),
            ledgers(config),
            None,
            judge,
            lambda: datetime.now(UTC) + self.skew,
        )
        self.ports.append(adapter(config.forge_bridge.forges[0]))
        watch = Watch(bridge, self.ports[-1])
        return watch, Governed(parse(targets, 1), targets), config


class _Verifier:
    """Finds all evidence good, and approvals as they are in git."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def findings(self, *, spec: dict[str, Any], **_: Any) -> Findings:
        """What the world says."""
        content = digests.content(policies.NAMESPACE, facts.NAME, spec)
        good = facts.good_facts()
        return Findings(
            pins=good.pins,
            evidence=good.evidence,
            content=good.content,
            approvals=await self._line.recorded(content),
        )


def line(forge: Forge, home: Path) -> Line:
    """Two repositories, a developer who may push, reviewers who may too, and the bridge."""
    roles = ("quality-1", "quality-2", "ot-safety-1", "developer-1")
    people = {name: forge.person(name) for name in roles}
    keeper, bridge = forge.person("keeper"), forge.person("bridge")
    agents = forge.repository("line-4/agents", *people.values(), bridge)
    ledger = forge.repository("line-4/approvals", bridge)
    forge.admit(agents, keeper, "admin")
    clone = forge.started(agents, people["developer-1"], {"README.md": "line 4\n"})
    forge.started(ledger, bridge, {"README.md": "approvals\n"})
    return Line(forge, home, people, agents, ledger, clone, keeper, bridge)
