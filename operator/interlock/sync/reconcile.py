"""Brings one AgentRepository's namespace to what its commit says.

Writes    AgentDeployments and ConfigMaps of the repository's own namespace, labelled with its
          name, by server-side apply; removes what carries that label and is no longer declared;
          the AgentRepository's status.
Repeat    at any point; applying what is there already changes nothing.
Refused   a bad file, or a write that the API server refuses, is named in the status; the other
          files are still applied. While a file is refused nothing is removed, for it may be the
          one that declares what would go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from interlock.api import names
from interlock.api.config import Config
from interlock.api.kinds.repository import AgentRepository, AgentRepositorySpec, RefusedFile
from interlock.api.reasons import Reason
from interlock.cluster import status
from interlock.cluster.client import Client, ClusterError, Object
from interlock.evidence.git import GitRefused, GitUnavailable, Mirror, TreeEntry, mirror_for
from interlock.evidence.http import shown
from interlock.sync import documents
from interlock.sync.documents import Document, refusal
from interlock.sync.sources import may_deliver

MAX_FILES = 256
MAX_NAME = 63
_SUFFIXES = (".yaml", ".yml")
_KINDS = ("AgentDeployment", "ConfigMap")
"""In the order in which they are removed: an agent before what it names."""
_SHOWN_REFUSALS = 64
_SHOWN_KEPT = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one sync ended, as the status tells it."""

    reason: Reason
    message: str
    commit: str = ""
    applied: int = 0
    refused: tuple[RefusedFile, ...] = field(default=())


class Syncer:
    """Syncs repositories, each from a mirror of its own."""

    def __init__(self, client: Client, config: Config) -> None:
        self._client, self._config = client, config
        self._mirrors: dict[str, Mirror] = {}

    async def sync(self, repository: Object) -> None:
        """Sync one AgentRepository and write its status. Raises ClusterError."""
        outcome = await self._outcome(repository)
        await status.write(self._client, repository, _status(repository, outcome))

    async def _outcome(self, repository: Object) -> Outcome:
        meta = repository["metadata"]
        try:
            spec = AgentRepository.model_validate(repository).spec
            if len(meta["name"]) > MAX_NAME:
                raise ValueError(f"the name has more than {MAX_NAME} characters, too long a label")
        except (ValidationError, ValueError) as error:
            return Outcome(Reason.INVALID, refusal("", error).message)
        if why := await may_deliver(self._client, meta["namespace"], spec):
            return Outcome(*why)
        try:
            return await self._deliver(repository, spec)
        except GitUnavailable as error:
            return Outcome(Reason.FETCH_FAILED, str(error))
        except GitRefused as error:
            return Outcome(Reason.SOURCE_REFUSED, str(error))

    async def _deliver(self, repository: Object, spec: AgentRepositorySpec) -> Outcome:
        meta = repository["metadata"]
        mirror = self._mirror(meta["namespace"], meta["name"], spec.url)
        fetched = await mirror.fetch(spec.url, {spec.ref: spec.ref})
        commit = fetched.tips[spec.ref]
        if commit is None:
            raise GitRefused(f"{spec.url} has no {spec.ref}; push it, or name another ref")
        files, unread = await _files(mirror, commit, spec.path)
        declared = documents.parse(files, meta["namespace"], meta["name"])
        refused = [*unread, *declared.refused]
        applied = await self._apply(repository, declared.found, refused)
        outcome = await self._prune(repository, declared.found, refused)
        outcome = replace(outcome, commit=commit, applied=applied, refused=tuple(refused))
        if why := fetched.refused.get(spec.ref):
            remedy = "Merge the old commit back, or restart the syncer to take the new history."
            return replace(outcome, reason=Reason.NOT_FAST_FORWARD, message=f"{why}. {remedy}")
        return outcome

    def _mirror(self, namespace: str, name: str, url: str) -> Mirror:
        """One mirror a repository: what hangs for one team never holds another's lock."""
        folder = Path(self._config.state_dir) / "sync" / namespace / name
        key = f"{folder}\n{url}"
        if key not in self._mirrors:
            self._mirrors[key] = mirror_for(folder, url, self._config.git)
        return self._mirrors[key]

    async def _apply(
        self, repository: Object, found: tuple[Document, ...], refused: list[RefusedFile]
    ) -> int:
        mine = repository["metadata"]["name"]
        others = {key: o for key, o in (await self._synced(repository)).items() if o[0] != mine}
        applied = 0
        for document in found:
            if document.key in others:
                message = f"it belongs to the AgentRepository {others[document.key][0]}"
                refused.append(RefusedFile(path=document.path, message=message))
                continue
            try:
                await self._client.apply(document.object, manager=names.SYNC_FIELD_MANAGER)
                applied += 1
            except ClusterError as error:
                if not _final(error):
                    raise
                refused.append(refusal(document.path, error))
        return applied

    async def _prune(
        self, repository: Object, found: tuple[Document, ...], refused: list[RefusedFile]
    ) -> Outcome:
        mine = repository["metadata"]["name"]
        declared = {document.key for document in found}
        synced = await self._synced(repository)
        gone = {k: uid for k, (owner, uid) in synced.items() if owner == mine and k not in declared}
        if refused:
            first = refused[0]
            kept = f"; kept, though no good file declares it: {_listed(gone)}" if gone else ""
            return Outcome(Reason.FILE_REFUSED, f"{first.path}: {first.message}{kept}")
        if gone and not found:
            return Outcome(
                Reason.SOURCE_REFUSED,
                f"the folder declares nothing any more, so the {len(gone)} objects that came from "
                "it are kept; delete them by hand, or delete the AgentRepository if it moved",
            )
        for kind, name in sorted(gone):
            namespace = repository["metadata"]["namespace"]
            await self._client.delete(kind, namespace, name, uid=gone[kind, name])
        return Outcome(Reason.SYNCED, "-")

    async def _synced(self, repository: Object) -> dict[tuple[str, str], tuple[str, str]]:
        """Return (kind, name) to (AgentRepository, UID) of all that was ever synced here."""
        namespace = repository["metadata"]["namespace"]
        found: dict[tuple[str, str], tuple[str, str]] = {}
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
    files: dict[str, bytes] = {}
    refused: list[RefusedFile] = []
    for entry in wanted:
        path = f"{folder}/{entry.name}" if folder else entry.name
        try:
            files[path] = await _file(mirror, entry)
        except GitRefused as error:
            refused.append(refusal(path, error))
    return files, refused


def _listed(keys: Iterable[tuple[str, str]]) -> str:
    listed = [f"{kind} {name}" for kind, name in sorted(keys)]
    more = len(listed) - _SHOWN_KEPT
    return ", ".join(listed[:_SHOWN_KEPT]) + (f" and {more} more" if more > 0 else "")


async def _file(mirror: Mirror, entry: TreeEntry) -> bytes:
    return await mirror.blob(entry, documents.MAX_FILE)


def _final(error: ClusterError) -> bool:
    """Whether the API server understood and said no, so that only another commit helps."""
    return 400 <= error.code < 500 and error.code not in (401, 404, 408, 409, 429)


def _status(repository: Object, outcome: Outcome) -> Object:
    """Return the whole status; a sync that did not get to a commit keeps what was known."""
    old = repository.get("status") or {}
    done = outcome.reason in (Reason.SYNCED, Reason.FILE_REFUSED) or bool(outcome.commit)
    message = shown(outcome.message, 1000)
    found: Object = {
        "observedGeneration": repository["metadata"].get("generation", 0),
        "conditions": _conditions(repository, outcome, message),
        "commit": outcome.commit if done else old.get("commit", ""),
        "applied": outcome.applied if done else old.get("applied", 0),
        "ready": "True" if outcome.reason is Reason.SYNCED else "False",
        "reason": message if outcome.reason is not Reason.SYNCED else "-",
    }
    if outcome.refused:
        listed = outcome.refused[:_SHOWN_REFUSALS]
        found["refused"] = [each.model_dump(mode="json", by_alias=True) for each in listed]
    return found


def _conditions(repository: Object, outcome: Outcome, message: str) -> list[Object]:
    ready = "True" if outcome.reason is Reason.SYNCED else "False"
    wanted = [("Ready", ready)]
    if outcome.reason not in (Reason.SYNCED, Reason.FETCH_FAILED):
        wanted.append(("Stalled", "True"))
    if outcome.reason is Reason.FETCH_FAILED:
        wanted.append(("Reconciling", "True"))
    before = {c["type"]: c for c in (repository.get("status") or {}).get("conditions", [])}
    return [_condition(repository, kind, value, outcome, message, before) for kind, value in wanted]


def _condition(  # noqa: PLR0917 - one field each
    repository: Object,
    kind: str,
    value: str,
    outcome: Outcome,
    message: str,
    before: Mapping[str, Object],
) -> Object:
    old = before.get(kind, {})
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": kind,
        "status": value,
        "reason": outcome.reason.value,
        "message": message,
        "observedGeneration": repository["metadata"].get("generation", 0),
        "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == value else now,
    }
