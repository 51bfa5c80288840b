"""Reads an MLflow registry as a stranger: nothing it says is trusted until its bytes are hashed.

Whoever may edit a model may change a registered version's files, tags, aliases and prompts in
place (MLflow keeps no digests), so a version number only says where to look. Six GETs and a
stream need no client library; MLflow's own would run its plug-ins and follow artifact URIs to
other hosts (GHSA-mr9f-g8qf-4w4j), which this one refuses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from interlock.api.config import Registry
from interlock.evidence.artifacts import Artifacts
from interlock.evidence.hashing import HashCache
from interlock.evidence.http import Blob, Http, NotFound, SourceRefused, SourceUnavailable, shown
from interlock.evidence.modeltree import Tree, check_path

EVIDENCE_FOLDER = "interlock/evidence"
EVIDENCE_SUFFIX = ".sigstore.json"
MAX_EVIDENCE_FILES = 64
OLDEST = (3, 11)
"""Servers before it let strangers overwrite or read files (CVE-2026-2651, CVE-2026-2614)."""
PROMPT_TEXT = "mlflow.prompt.text"
_API = "/api/2.0/mlflow"
_SCHEME = "mlflow-artifacts:/"
_SOURCES = ("models:/", "runs:/", _SCHEME)
"""What a version may have been made of. The others lead to hosts that nobody granted."""
_RELEASE = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})\.[0-9]{1,4}[a-z0-9.+-]{0,40}")
_NO_SUCH = (400, 404)
"""MLflow 3.17 answers 404 for a version that is not there, and 400 for an alias."""
_LATEST = 253_402_300_799_000
"""The end of the year 9999."""
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version: where its files and its run's evidence lie now."""

    name: str
    version: str
    files: str
    """Path of the model's files below MLflow's artifact server."""
    run: str
    """Path of the run's artifacts, empty where the version belongs to no run."""
    model_id: str = ""
    """MLflow's id of the logged model, empty where the version was made of none."""
    created: str | None = None
    """When the version was created. A model that was deleted and made again has the old name and
    number, and another one of these."""


class Mlflow:
    """One registry. All methods raise SourceError: unavailable, refused or not found."""

    def __init__(self, name: str, registry: Registry, cache: HashCache | None = None) -> None:
        self._base = registry.mlflow.rstrip("/")
        self._http = Http(f"MLflow registry {name!r}", registry.ca_file, _login(registry))
        self._artifacts = Artifacts(self._http, self._base, cache or HashCache())
        self._checked = False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def version(self, name: str, version: str | None, alias: str | None) -> ModelVersion:
        """Return the version that a number or an alias names now."""
        said = await self._version(name, version, alias)
        number = _text(said, "version")
        if said.get("status", "READY") != "READY":
            raise SourceUnavailable(
                f"{self._http.name}: version {number} of {name!r} is "
                f"{shown(str(said['status']), 40)}, not READY. Wait for its registration to end."
            )
        self._check_source(str(said.get("source", "")))
        place = await self._ask("model-versions/get-download-uri", name=name, version=number)
        run = await self._run(said)
        files = self._path(_text(place, "artifact_uri"))
        return ModelVersion(name, number, files, run, _model_id(said), _created(said))

    async def tree(self, version: ModelVersion) -> Tree:
        """Return every file of the version, hashed from its bytes, and what it is by them."""
        where = f"{self._http.name}: {version.name} version {version.version}"
        return await self._artifacts.tree(version.files, where)

    async def evidence(self, version: ModelVersion) -> list[Blob]:
        """Return the bundles of the version's run. Where they lie says nothing about trust."""
        if not version.run:
            return []
        folder = f"{version.run}/{EVIDENCE_FOLDER}"
        try:
            entries = await self._artifacts.folder(folder)
        except NotFound:
            return []
        names = [entry.path for entry in entries if entry.path.endswith(EVIDENCE_SUFFIX)]
        if len(names) > MAX_EVIDENCE_FILES:
            raise SourceRefused(
                f"{self._http.name}: {len(names)} bundles in the run of {version.name} version "
                f"{version.version}, at most {MAX_EVIDENCE_FILES} are read. Remove old ones."
            )
        where = f"mlflow:{version.name}/{version.version}/{EVIDENCE_FOLDER}"
        return await self._artifacts.blobs(
            {f"{where}/{name}": f"{folder}/{name}" for name in names}
        )

    async def prompt(self, name: str, version: str) -> str:
        """Return the text of a prompt's version: a tag, which anyone with EDIT may overwrite."""
        said = await self._version(name, version, None)
        tags = said.get("tags")
        for tag in tags if isinstance(tags, list) else []:
            if isinstance(tag, dict) and tag.get("key") == PROMPT_TEXT:
                return _text(tag, "value")
        raise NotFound(
            f"{self._http.name}: version {version} of {name!r} is not a prompt: it has no tag "
            f"{PROMPT_TEXT}."
        )

    async def _version(self, name: str, version: str | None, alias: str | None) -> dict[str, Any]:
        query = {"name": name} | ({"version": version} if version else {"alias": alias or ""})
        call = "model-versions/get" if version else "registered-models/alias"
        url = f"{self._base}{_API}/{call}?{urlencode(query)}"
        answer = await self._http.get(url)
        if answer.status in _NO_SUCH:
            wanted = f"version {version}" if version else f"alias {alias!r}"
            raise NotFound(f"{self._http.name} has no {wanted} of {name!r}. Pin one that is there.")
        self._http.expect_ok(answer.status, url)
        said = _object(self._http.parsed(answer, url), "model_version")
        await self._check_server()
        return said

    async def _check_server(self) -> None:
        """Refuse a server whose holes are known. Asked once a connection."""
        if self._checked:
            return
        url = f"{self._base}/version"
        answer = await self._http.get(url, limit=1024)
        if answer.status not in _NO_SUCH:
            self._http.expect_ok(answer.status, url)
        text = answer.body.decode(errors="replace").strip()
        release = _RELEASE.fullmatch(text)
        if release is None or (int(release[1]), int(release[2])) < OLDEST:
            raise SourceRefused(
                f"{self._http.name}: {url} says {shown(text, 60)!r}, MLflow {OLDEST[0]}."
                f"{OLDEST[1]} or later was expected. Older servers let strangers overwrite "
                "artifacts; upgrade it, or let the address through to it."
            )
        self._checked = True

    async def _run(self, version: Mapping[str, Any]) -> str:
        """Return the artifact path of the run that made the version, empty if none did."""
        run = version.get("run_id")
        if not run and (model := _model_id(version)):
            said = await self._ask(f"logged-models/{model}")
            run = _object(_object(said, "model"), "info").get("source_run_id")
        if not run:
            return ""
        said = await self._ask("runs/get", run_id=str(run))
        return self._path(_text(_object(_object(said, "run"), "info"), "artifact_uri"))

    async def _ask(self, call: str, **query: str) -> dict[str, Any]:
        parameters = f"?{urlencode(query)}" if query else ""
        return await self._http.json(f"{self._base}{_API}/{call}{parameters}")

    def _check_source(self, source: str) -> None:
        if not source.startswith(_SOURCES):
            raise SourceRefused(
                f"{self._http.name}: the version was made of {shown(source, 120)!r}. Interlock "
                f"takes versions of {', '.join(_SOURCES)} only; log the model to MLflow, and "
                "register that."
            )

    def _path(self, uri: str) -> str:
        path = uri.removeprefix(_SCHEME)
        if path == uri or path.startswith("/"):
            raise SourceRefused(
                f"{self._http.name}: the files lie at {shown(uri, 120)!r}. Interlock reads from "
                f"MLflow's own artifact server only ({_SCHEME}...); start it with "
                "--serve-artifacts and register the model again."
            )
        check_path(path, self._http.name)
        return path


def _login(registry: Registry) -> tuple[str, str] | None:
    if registry.username_file is None or registry.password_file is None:
        return None
    return registry.username_file.read_text().strip(), registry.password_file.read_text().strip()


def _model_id(version: Mapping[str, Any]) -> str:
    found = _LOGGED_MODEL.fullmatch(str(version.get("source")))
    return found[1] if found else ""


def _created(version: Mapping[str, Any]) -> str | None:
    """Return the creation time, which MLflow gives in milliseconds since 1970."""
    created = version.get("creation_timestamp")
    if not isinstance(created, int) or not 0 <= created <= _LATEST:
        return None
    moment = datetime.fromtimestamp(created / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _object(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    inner = value.get(key)
    if not isinstance(inner, dict):
        raise SourceRefused(f"MLflow's answer has no {key!r}. Is it MLflow 3.17 or later?")
    return inner


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise SourceRefused(f"MLflow's answer has no text {key!r}. Is it MLflow 3.17 or later?")
    return text
