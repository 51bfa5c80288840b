"""Which agents a pull request proposes: files of the head, in places that may deliver them.

What a file says is read as the syncer reads it; what governance lets nobody deliver from there is
no proposal, and what cannot be read is said to whoever proposed it.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from interlock.actions.facts import ConfigMaps
from interlock.bridge.port import Forge, Pull
from interlock.cli import manifest
from interlock.cli.exits import BadInput
from interlock.cli.manifest import AgentFile
from interlock.evidence.http import shown
from interlock.evidence.resolve import config_map_names
from interlock.policy import Policy, queries
from interlock.policy.model import SourceGrant

MAX_AGENTS = 16
"""Agents of one pull request that are looked at."""
MAX_BESIDE = 48
"""Files beside an agent's in which its ConfigMaps are looked for."""
_KEPT = 512


@dataclass(frozen=True, slots=True)
class Place:
    """A file that may deliver an agent of a namespace."""

    namespace: str
    grant: SourceGrant
    path: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """One agent as a pull request would have it."""

    place: Place
    agent: AgentFile


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a pull request proposes."""

    agents: tuple[Proposal, ...] = ()
    unreadable: tuple[str, ...] = ()
    """A sentence for each file that is no agent, or that is one too many."""


def repositories(policy: Policy, forge: str) -> dict[str, list[tuple[str, SourceGrant]]]:
    """Return the repositories at a forge that may deliver, by path, with namespace and grant."""
    found: dict[str, list[tuple[str, SourceGrant]]] = {}
    for namespace, known in policy.namespaces.namespaces.items():
        for grant in known.repositories:
            if grant.url.startswith(f"{forge}/"):
                path = grant.url.removeprefix(f"{forge}/").removesuffix(".git").strip("/")
                found.setdefault(path, []).append((namespace, grant))
    return found


class Reader:
    """Reads agents at commits, and keeps what it read: a commit never changes."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._kept: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()

    async def proposals(
        self, pull: Pull, policy: Policy, grants: list[tuple[str, SourceGrant]]
    ) -> Proposals:
        """Return what the head of a pull request proposes. Raises SourceError."""
        paths = await self._forge.files(pull)
        places = list(_places(pull, policy, grants, paths))
        found: list[Proposal] = []
        bad = [f"{len(places)} agents, at most {MAX_AGENTS}"] if len(places) > MAX_AGENTS else []
        for place in places[:MAX_AGENTS]:
            try:
                agent = await self.agent(pull, pull.head, place)
            except BadInput as error:
                bad.append(shown(error.message))
            else:
                found += [Proposal(place, agent)] if agent else []
        return Proposals(tuple(found), tuple(bad))

    async def agent(self, pull: Pull, commit: str, place: Place) -> AgentFile | None:
        """Return the agent of a file at a commit, None for none. Raises SourceError, BadInput."""
        data = await self._read(pull, commit, place.path)
        return manifest.parse(Path(place.path), data, place.namespace) if data else None

    async def content(self, pull: Pull, commit: str, place: Place) -> str:
        """Return the content digest of a file at a commit; empty for none that can be read."""
        try:
            agent = await self.agent(pull, commit, place)
        except BadInput:
            return ""
        return agent.digest if agent else ""

    async def config_maps(self, pull: Pull, proposal: Proposal) -> ConfigMaps:
        """Return the ConfigMaps that an agent pins, from beside its file; None for one not there.

        Raises SourceError.
        """
        wanted = config_map_names(proposal.agent.spec)
        found: dict[str, dict[str, str]] = {}
        folder = proposal.place.path.rpartition("/")[0]
        files = await self._forge.folder(pull, pull.head, folder) if wanted else []
        for name in _likely(files, wanted):
            if wanted <= found.keys():
                break
            path = f"{folder}/{name}" if folder else name
            data = await self._read(pull, pull.head, path)
            found |= dict(manifest.config_maps_in({name: data or b""}))
        return {name: found.get(name) for name in wanted}

    async def _read(self, pull: Pull, commit: str, path: str) -> bytes | None:
        if commit.startswith("refs/"):
            return await self._forge.read(pull, commit, path)
        key = (pull.repository, commit, path)
        data = self._kept.get(key) or await self._forge.read(pull, commit, path)
        if data:  # what is not there may only be late
            self._kept[key] = data
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return data


def _likely(files: list[str], wanted: set[str]) -> list[str]:
    """Return the manifests of a folder, those first whose name has that of a ConfigMap."""
    manifests = [name for name in files if name.endswith(manifest.SUFFIXES)]
    ordered = sorted(manifests, key=lambda name: (not any(one in name for one in wanted), name))
    return ordered[:MAX_BESIDE]


def _places(
    pull: Pull, policy: Policy, grants: list[tuple[str, SourceGrant]], paths: list[str]
) -> Iterator[Place]:
    for namespace, grant in grants:
        for path in paths:
            fits = queries.source_of(policy, namespace, grant.url, pull.base, path)
            if fits == grant and path.endswith(manifest.SUFFIXES):
                yield Place(namespace, grant, path)
