"""A forge without a network, an approvals repository and a bridge: what its rules are tried on.

The forge is a port's worth of memory; git, signatures, the reader of approvals and the gates are
the real ones.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import yaml

from interlock.api.config import Config
from interlock.api.facts import Approval, Findings
from interlock.bridge.governed import Governed
from interlock.bridge.ledger import Ledger
from interlock.bridge.look import Bridge, Watch
from interlock.bridge.opinion import Judge
from interlock.bridge.port import Account, Hands, Pull, Review, Status, Word
from interlock.bridge.service import ledgers
from interlock.bridge.signing import Key
from interlock.evidence import approvals
from interlock.policy.model import Policy
from interlock.policy.parse import parse
from support import facts, gitrepos, policies
from support.sshkeys import write_private_key


class _NoBundles:
    """Verifies Sigstore bundles; a bridge writes none."""

    def verify(self, data: bytes, now: datetime) -> NoReturn:
        """Never asked."""
        raise AssertionError("a bundle among a bridge's words")


NO_BUNDLES = approvals.Proofs(_NoBundles(), datetime.now(UTC))
FORGE = "https://git.example"
REPOSITORY = "line-4/agents"
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HEAD, NEXT = "a" * 40, "b" * 40
ACCOUNTS = {"quality-1": 11, "quality-2": 12, "ot-safety-1": 21, "sre-1": 31, "developer-1": 41}
"""Numbers of the good policy's persons at the forge."""


def documents() -> dict[str, Any]:
    """The good policy's documents, with accounts, a bridge, and tiers that take forge reviews."""
    made = policies.documents()
    for person in made["people"]["people"]:
        person["accounts"] = [{"forge": FORGE, "id": ACCOUNTS[person["id"]]}]
    made["trust"]["bridges"] = [{"forge": FORGE, "key": policies.ssh_line("bridge")}]
    for tier in made["tiers"]["tiers"].values():
        tier["strengths"] = ["signed", "forge"]
    return made


def agent_file(**changes: Any) -> bytes:
    """The good agent's file, or that of a changed spec."""
    metadata = {"name": facts.NAME, "namespace": policies.NAMESPACE}
    head = {"apiVersion": "interlock.dev/v1alpha1", "kind": "AgentDeployment"}
    whole = head | {"metadata": metadata, "spec": facts.spec(**changes)}
    return yaml.safe_dump(whole, sort_keys=False).encode()


def pull(**changes: Any) -> Pull:
    """An open pull request of the developer's that brings the good agent."""
    made = Pull(
        repository=REPOSITORY,
        number=7,
        url=f"{FORGE}/{REPOSITORY}/pulls/7",
        author=Account(ACCOUNTS["developer-1"], "dev"),
        state="open",
        head=HEAD,
        base="refs/heads/main",
        source=REPOSITORY,
        branch="change",
        updated=START,
    )
    return replace(made, **changes)


def review(person: str, word: Word = "approve", number: int = 0, **changes: Any) -> Review:
    """A review of the head by a person; reviews differ by their number."""
    account = Account(ACCOUNTS[person], person)
    made = Review(str(100 + ACCOUNTS[person] + number), account, word, HEAD, START)
    return replace(made, **changes)


@dataclass
class MemoryForge:
    """A forge that answers what it is told to."""

    listed: list[Pull] = field(default_factory=lambda: [pull()])
    said: list[Review] = field(default_factory=list)
    who: Hands = field(
        default_factory=lambda: Hands(
            frozenset({ACCOUNTS["developer-1"]}), frozenset({policies.email("developer-1")}), True
        )
    )
    changed: list[str] = field(default_factory=lambda: [facts.PATH])
    commits: dict[str, dict[str, bytes]] = field(
        default_factory=lambda: {HEAD: {facts.PATH: agent_file()}}
    )
    statuses: list[Status] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    trouble: Exception | None = None
    """What reading the reviews raises."""

    async def pulls(self, repository: str, since: datetime) -> list[Pull]:
        """The list."""
        return self.listed if repository == REPOSITORY else []

    async def reviews(self, pull: Pull) -> list[Review]:
        """What was said."""
        if self.trouble:
            raise self.trouble
        return self.said

    async def hands(self, pull: Pull) -> Hands:
        """Whose hands."""
        return self.who

    async def files(self, pull: Pull) -> list[str]:
        """What changed."""
        return self.changed

    async def folder(self, pull: Pull, commit: str, path: str) -> list[str]:
        """Names in a folder of a commit."""
        files = self.commits.get(commit, {})
        return [name.rpartition("/")[2] for name in files if name.rpartition("/")[0] == path]

    async def read(self, pull: Pull, commit: str, path: str) -> bytes | None:
        """A file in a commit."""
        return self.commits.get(commit, {}).get(path)

    async def set_status(self, pull: Pull, status: Status) -> None:
        """Keep it."""
        self.statuses.append(status)

    async def say(self, pull: Pull, text: str) -> None:
        """Keep it."""
        self.comments.append(text)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Verifier:
    """Answers findings of the good agent with the approvals that are in git."""

    town: "Town"
    asked: int = 0

    async def findings(self, **request: Any) -> Findings:
        """What the world says."""
        self.asked += 1
        good = facts.good_facts()
        return Findings(
            pins=good.pins,
            evidence=good.evidence,
            content=good.content,
            approvals=await self.town.recorded(),
        )


@dataclass
class Town:
    """All of it."""

    home: Path
    forge: MemoryForge
    repo: gitrepos.Repo
    policy: Policy
    targets: dict[str, bytes]
    ledger: Ledger
    watch: Watch
    verifier: Verifier
    now: datetime = START

    async def look(self, *said: Review) -> None:
        """One look, a minute after the last; with other reviews where they are given."""
        if said:
            self.forge.said = list(said)
        self.now += timedelta(minutes=1)
        await self.watch.look(Governed(self.policy, self.targets))

    async def recorded(self, content: str = facts.CONTENT) -> list[Approval]:
        """What the verifier reads of a content, in the order in which it was said."""
        mirror = gitrepos.mirror(self.home / "reader.git")
        ref = approvals.ref_of(content)
        await mirror.fetch(self.repo.url, {ref: ref})
        found, denied = await approvals.read(mirror, content, NO_BUNDLES)
        ours = [one for one in denied if "dsse.json" in one.location]
        assert not ours, ours
        return sorted(found, key=lambda one: (one.not_before, one.decision))

    async def words(self, content: str = facts.CONTENT) -> list[tuple[str, str]]:
        """Persons and what they said of a content."""
        return [(one.person, one.decision) for one in await self.recorded(content)]


def town(home: Path, **changes: Any) -> Town:
    """A town; `changes` replace whole documents of its policy."""
    repo = gitrepos.Repo(home / "approvals.git")
    made = documents() | changes
    space = made["namespaces"]["namespaces"][policies.NAMESPACE]
    space["repositories"][0]["approvals"] = repo.url
    targets = policies.targets(**made)
    config = Config(cluster="factory", state_dir=home / "state")
    key = Key.read(write_private_key("bridge", home / "bridge-key"))
    forge = MemoryForge()
    built: list[Town] = []
    verifier = Verifier(None)  # type: ignore[arg-type] - set below
    judge = Judge(verifier, "factory")  # type: ignore[arg-type] - the part of it that is asked
    made_ledgers = ledgers(config, allow_file=True)
    bridge = Bridge(FORGE, "factory", key, made_ledgers, None, judge, lambda: built[0].now)
    built.append(
        Town(
            home,
            forge,
            repo,
            parse(targets, 1),
            targets,
            made_ledgers(repo.url),
            Watch(bridge, forge),
            verifier,
        )
    )
    verifier.town = built[0]
    return built[0]
