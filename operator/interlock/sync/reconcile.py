"""Brings one AgentRepository's namespace to what its commit says.

Writes    AgentDeployments and ConfigMaps of the repository's own namespace, labelled with its
          name, by server-side apply; removes what carries that label and is no longer declared;
          what it takes from a ref it has remembered before (`tips.py`); the AgentRepository's
          status, and an Event where a ref did not go forward. With `mode: EvidenceOnly`, these
          last three alone.
Repeat    at any point; applying what is there already changes nothing.
Refused   a bad file, or a write that the API server refuses, is named in the status; the other
          files are still applied. While a file is refused nothing is removed, for it may be the
          one that declares what would go.
"""

import asyncio
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from interlock.api import digests, names
from interlock.api.config import Config
from interlock.api.kinds.repository import AgentRepository, AgentRepositorySpec, RefusedFile
from interlock.api.reasons import Reason
from interlock.cluster import status
from interlock.cluster.client import Client, ClusterError, Object
from interlock.cluster.events import About, News, tell
from interlock.evidence.git import GitRefused, GitUnavailable, Mirror, Seen, mirror_for
from interlock.evidence.http import shown
from interlock.sync import documents, drift, tips
from interlock.sync.documents import Document, refusal
from interlock.sync.report import Outcome, status_of
from interlock.sync.sources import may_deliver

MAX_FILES = 256
MAX_BYTES = 8 * 1024 * 1024
"""Of all YAML files of a folder."""
MAX_NAME = 63
_SUFFIXES = (".yaml", ".yml")
_KINDS = ("AgentDeployment", "ConfigMap")
"""In the order in which they are removed: an agent before what it names."""
_SHOWN_KEPT = 3

Synced = dict[tuple[str, str], tuple[str, str]]
"""Kind and name to AgentRepository and UID."""


class Syncer:
    """Syncs repositories, each from a mirror of its own."""

    def __init__(self, client: Client, config: Config) -> None:
        self._client, self._config = client, config
        self._folder = Path(config.state_dir) / "sync"
        self._mirrors: dict[tuple[str, str, str], Mirror] = {}
        self._there: set[tuple[str, str]] = set()

    async def forget(self, repositories: Iterable[Object]) -> None:
        """Remove the mirrors of AgentRepositories that are gone: they are caches, and take room."""
        there = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in repositories}
        if there == self._there:
            return
        self._there = there
        self._mirrors = {key: one for key, one in self._mirrors.items() if key[:2] in there}
        await asyncio.to_thread(_remove, self._folder, there)

    async def sync(self, repository: Object) -> None:
        """Sync one AgentRepository and write its status. Raises ClusterError."""
        outcome = await self._outcome(repository)
        if outcome.reason is Reason.NOT_FAST_FORWARD:
            await self._warn(repository, outcome)
        await status.write(self._client, repository, status_of(repository, outcome))

    async def _outcome(self, repository: Object) -> Outcome:
        meta = repository["metadata"]
        try:
            spec = AgentRepository.model_validate(repository).spec
            if len(meta["name"]) > MAX_NAME:
                raise ValueError(f"the name has more than {MAX_NAME} characters, too long a label")
        except (ValidationError, ValueError) as error:
            return Outcome(Reason.INVALID, refusal("", error).message)
        if spec.suspend:
            return Outcome(Reason.PAUSED, "spec.suspend is true; nothing is fetched or applied")
        if why := await may_deliver(self._client, meta["namespace"], spec):
            return Outcome(*why)
        try:
            return await self._deliver(repository, spec)
        except GitUnavailable as error:
            return Outcome(Reason.FETCH_FAILED, str(error))
        except GitRefused as error:
            return Outcome(Reason.SOURCE_REFUSED, str(error))
        except ValueError as error:  # what is remembered of its refs
            return Outcome(Reason.INVALID, str(error))

    async def _warn(self, repository: Object, outcome: Outcome) -> None:
        """Make a Warning of it, one for each commit that was not taken."""
        meta = repository["metadata"]
        about = About("AgentRepository", meta["namespace"], meta["name"], meta["uid"])
        mark = digests.sha256(f"{about.uid}\n{outcome.message}".encode())[:16]
        news = News("Warning", outcome.reason.value, shown(outcome.message, 1000))
        now = datetime.now(UTC)
        await tell(self._client, f"{about.name}.{mark}", about, news, now, names.SYNCER_ACCOUNT)

    async def _deliver(self, repository: Object, spec: AgentRepositorySpec) -> Outcome:
        meta = repository["metadata"]
        mirror = self._mirror(meta["namespace"], meta["name"], spec.url)
        known = await tips.seen(self._client, meta["namespace"], spec)
        named = {spec.rewritten_to} - {known.rewritten}
        seen = Seen({spec.ref: known.commit} if known.commit else {}, named)
        fetched = await mirror.fetch(spec.url, {spec.ref: spec.ref}, seen)
        commit, moved = fetched.tips[spec.ref], fetched.refused.get(spec.ref)
        if commit is None and not moved:
            raise GitRefused(f"{spec.url} has no {spec.ref}; push it, or name another ref")
        if commit is not None and not moved:
            await tips.keep(self._client, meta["namespace"], spec, commit)
        outcome = await self._take(repository, spec, mirror, commit) if commit else None
        return _not_forward(outcome, moved) if moved or outcome is None else outcome

    async def _take(
        self, repository: Object, spec: AgentRepositorySpec, mirror: Mirror, commit: str
    ) -> Outcome:
        meta = repository["metadata"]
        files, refused = await _files(mirror, commit, spec.path)
        declared = await asyncio.to_thread(documents.parse, files, meta["namespace"], meta["name"])
        refused += declared.refused
        if spec.mode == "EvidenceOnly":
            running = await self._client.list("AgentDeployment", meta["namespace"])
            outcome = drift.compared(declared.found, running, refused)
        else:
            before = await self._synced(repository)
            applied = await self._apply(repository, before, declared.found, refused)
            outcome = await self._prune(repository, spec, before, declared.found, refused)
            outcome = replace(outcome, applied=applied)
        return replace(outcome, commit=commit, refused=tuple(refused))

    def _mirror(self, namespace: str, name: str, url: str) -> Mirror:
        """One mirror a repository: what hangs for one team never holds another's lock."""
        key = (namespace, name, url)
        if key not in self._mirrors:
            folder = self._folder / namespace / name
            self._mirrors[key] = mirror_for(folder, url, self._config.git)
        return self._mirrors[key]

    async def _apply(
        self,
        repository: Object,
        before: Synced,
        declared: tuple[Document, ...],
        refused: list[RefusedFile],
    ) -> int:
        mine = repository["metadata"]["name"]
        others = {key: owned for key, owned in before.items() if owned[0] != mine}
        applied = 0
        for document in declared:
            if document.key in others:
                message = f"it belongs to the AgentRepository {others[document.key][0]}"
                refused.append(RefusedFile(path=document.path, message=message))
                continue
            try:
                found = await self._client.apply(document.object, manager=names.SYNC_FIELD_MANAGER)
                await drift.repair(self._client, document.object, found)
                applied += 1
            except ClusterError as error:
                if not _final(error):
                    raise
                refused.append(refusal(document.path, error))
        return applied

    async def _prune(
        self,
        repository: Object,
        spec: AgentRepositorySpec,
        before: Synced,
        found: tuple[Document, ...],
        refused: list[RefusedFile],
    ) -> Outcome:
        mine = {k: uid for k, (by, uid) in before.items() if by == repository["metadata"]["name"]}
        declared = {document.key for document in found}
        gone = mine.keys() - declared
        if refused:
            first = refused[0]
            kept = f"; kept, though no good file declares it: {_listed(gone)}" if gone else ""
            return Outcome(Reason.FILE_REFUSED, f"{first.path}: {first.message}{kept}")
        if spec.prune and (why := _emptied(mine, declared)):
            return Outcome(
                Reason.SOURCE_REFUSED,
                f"{why}, so the {len(gone)} objects that came from it are kept; delete them by "
                "hand, or delete the AgentRepository if it moved",
            )
        for kind, name in sorted(gone) if spec.prune else ():
            namespace = repository["metadata"]["namespace"]
            await self._client.delete(kind, namespace, name, uid=mine[kind, name])
        return Outcome(Reason.SYNCED, "-")

    async def _synced(self, repository: Object) -> Synced:
        """Return all that was ever synced here."""
        namespace = repository["metadata"]["namespace"]
        found: Synced = {}
        for kind in _KINDS:
            for one in await self._client.list(kind, namespace, labels=names.LABEL_SYNCED_BY):
                meta = one["metadata"]
                owner = meta["labels"][names.LABEL_SYNCED_BY]
                found[kind, meta["name"]] = (owner, meta["uid"])
        return found


async def _files(
    mirror: Mirror, commit: str, folder: str
) -> tuple[Mapping[str, bytes], list[RefusedFile]]:
    """Return the YAML files below a folder, and those that cannot be read."""
    entries = await mirror.tree(commit, folder, recursive=True)
    wanted = [entry for entry in entries if entry.name.endswith(_SUFFIXES)]
    if len(wanted) > MAX_FILES:
        raise GitRefused(f"{folder or '/'} holds {len(wanted)} YAML files, at most {MAX_FILES}")
    if (size := sum(entry.size for entry in wanted)) > MAX_BYTES:
        where = folder or "/"
        raise GitRefused(f"{where} holds {size} bytes of YAML files, at most {MAX_BYTES}")
    paths = [f"{folder}/{entry.name}" if folder else entry.name for entry in wanted]
    files: dict[str, bytes] = {}
    refused: list[RefusedFile] = []
    for path, data in zip(paths, await mirror.blobs(wanted, documents.MAX_FILE), strict=True):
        if isinstance(data, bytes):
            files[path] = data
        else:
            refused.append(refusal(path, data))
    return files, refused


def _emptied(mine: Collection[tuple[str, str]], declared: Collection[tuple[str, str]]) -> str:
    """Say how a commit would empty a plant: a wrong path, a bad merge or a pusher takes none down.

    New agents count nothing: whoever may push can add any number of them.
    """
    agents = [key for key in mine if key[0] == "AgentDeployment"]
    lost = len([key for key in agents if key not in declared])
    none = not any(kind == "AgentDeployment" for kind, _ in declared)
    if none and (lost or (mine and not declared)):
        return "the folder declares no agent any more"
    if lost > max(1, len(agents) - lost):
        return f"{lost} of {len(agents)} agents would go at once"
    return ""


def _remove(folder: Path, there: Collection[tuple[str, str]]) -> None:
    for one in folder.glob("*/*"):
        if (one.parent.name, one.name) not in there:
            shutil.rmtree(one, ignore_errors=True)


def _not_forward(outcome: Outcome | None, moved: str | None) -> Outcome:
    """Say that the ref left its history; what the commit before declares is still applied."""
    remedy = (
        "Merge the old commit back; or, if the history was rewritten on purpose, name the new "
        "commit in spec.rewrittenTo."
    )
    told = outcome or Outcome(Reason.NOT_FAST_FORWARD, "")
    return replace(told, reason=Reason.NOT_FAST_FORWARD, message=f"{moved}. {remedy}")


def _listed(keys: Iterable[tuple[str, str]]) -> str:
    listed = [f"{kind} {name}" for kind, name in sorted(keys)]
    more = len(listed) - _SHOWN_KEPT
    return ", ".join(listed[:_SHOWN_KEPT]) + (f" and {more} more" if more > 0 else "")


def _final(error: ClusterError) -> bool:
    """Whether the API server understood and said no, so that only another commit helps."""
    return 400 <= error.code < 500 and error.code not in (401, 404, 408, 409, 429)
