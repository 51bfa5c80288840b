"""Reads an MLflow registry as a stranger: nothing it says is trusted until its bytes are hashed.

Whoever may edit a model may change a registered version's files, tags, aliases and prompts in
place (MLflow keeps no digests), so a version number only says where to look. Five GETs and a
stream need no client library; MLflow's own would run its plug-ins and follow artifact URIs to
other hosts (GHSA-mr9f-g8qf-4w4j), which this one refuses.
"""

import hashlib
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from interlock.api.config import Registry
from interlock.api.digests import ModelFile
from interlock.evidence.http import Blob, Http, NotFound, SourceRefused, SourceUnavailable, shown
from interlock.evidence.modeltree import MAX_FILES, Tally, check_path

EVIDENCE_FOLDER = "interlock/evidence"
EVIDENCE_SUFFIX = ".sigstore.json"
MAX_EVIDENCE_FILES = 64
MAX_FOLDERS = 1_000
PROMPT_TEXT = "mlflow.prompt.text"
_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_SCHEME = "mlflow-artifacts:/"
_NO_SUCH = (400, 404)
"""MLflow 3.17 answers 404 for a version that is not there, and 400 for an alias."""
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


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    is_folder: bool


class Mlflow:
    """One registry. All methods raise SourceError: unavailable, refused or not found."""

    def __init__(self, name: str, registry: Registry) -> None:
        self._base = registry.mlflow.rstrip("/")
        self._http = Http(f"MLflow registry {name!r}", registry.ca_file, _login(registry))

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
        place = await self._ask("model-versions/get-download-uri", name=name, version=number)
        run = await self._run(said)
        return ModelVersion(name, number, self._path(_text(place, "artifact_uri")), run)

    async def files(self, version: ModelVersion) -> list[ModelFile]:
        """Return every file of the version, hashed from its bytes."""
        where = f"{self._http.name}: {version.name} version {version.version}"
        tally = Tally(where)
        async for path in self._walk(version.files, tally):
            tally.files.append(await self._hashed(version.files, path, tally))
        return sorted(tally.files)

    async def evidence(self, version: ModelVersion) -> list[Blob]:
        """Return the bundles of the version's run. Where they lie says nothing about trust."""
        if not version.run:
            return []
        folder = f"{version.run}/{EVIDENCE_FOLDER}"
        try:
            entries = await self._list(folder)
        except NotFound:
            return []
        names = [entry.path for entry in entries if entry.path.endswith(EVIDENCE_SUFFIX)]
        if len(names) > MAX_EVIDENCE_FILES:
            raise SourceRefused(
                f"{self._http.name}: {len(names)} bundles in the run of {version.name} version "
                f"{version.version}, at most {MAX_EVIDENCE_FILES} are read. Remove old ones."
            )
        where = f"mlflow:{version.name}/{version.version}/{EVIDENCE_FOLDER}"
        return [
            await self._http.blob(self._artifact(f"{folder}/{name}"), f"{where}/{name}")
            for name in sorted(names)
        ]

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
        return _object(self._http.parsed(answer, url), "model_version")

    async def _run(self, version: Mapping[str, Any]) -> str:
        """Return the artifact path of the run that made the version, empty if none did."""
        run = version.get("run_id")
        if not run and (model := _LOGGED_MODEL.fullmatch(str(version.get("source")))):
            said = await self._ask(f"logged-models/{model[1]}")
            run = _object(_object(said, "model"), "info").get("source_run_id")
        if not run:
            return ""
        said = await self._ask("runs/get", run_id=str(run))
        return self._path(_text(_object(_object(said, "run"), "info"), "artifact_uri"))

    async def _ask(self, call: str, **query: str) -> dict[str, Any]:
        parameters = f"?{urlencode(query)}" if query else ""
        return await self._http.json(f"{self._base}{_API}/{call}{parameters}")

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

    async def _walk(self, root: str, tally: Tally) -> AsyncGenerator[str, None]:
        """Yield the path of each file below `root`, relative to it."""
        folders, seen = [""], 1
        while folders:
            folder = folders.pop()
            for entry in await self._list(f"{root}/{folder}".rstrip("/")):
                path = f"{folder}/{entry.path}".lstrip("/")
                if not entry.is_folder:
                    tally.expect(path)
                    yield path
                    continue
                check_path(path, tally.where)
                folders.append(path)
                seen += 1
                if seen > MAX_FOLDERS:
                    raise SourceRefused(f"{tally.where}: more than {MAX_FOLDERS} folders.")

    async def _list(self, folder: str) -> list[_Entry]:
        said = await self._http.json(f"{self._base}{_ARTIFACTS}?{urlencode({'path': folder})}")
        files = said.get("files", [])
        if not isinstance(files, list) or len(files) > MAX_FILES:
            raise SourceRefused(f"{self._http.name}: {folder} is not a list of files.")
        return [_entry(each, f"{self._http.name}: {folder}") for each in files]

    async def _hashed(self, root: str, path: str, tally: Tally) -> ModelFile:
        digest, size = hashlib.sha256(), 0
        async with aclosing(self._http.stream(self._artifact(f"{root}/{path}"))) as chunks:
            async for chunk in chunks:
                tally.read(len(chunk))
                digest.update(chunk)
                size += len(chunk)
        return ModelFile(path, size, digest.hexdigest())

    def _artifact(self, path: str) -> str:
        return f"{self._base}{_ARTIFACTS}/{quote(path)}"


def _login(registry: Registry) -> tuple[str, str] | None:
    if registry.username_file is None or registry.password_file is None:
        return None
    return registry.username_file.read_text().strip(), registry.password_file.read_text().strip()


def _entry(value: object, where: str) -> _Entry:
    path = value.get("path") if isinstance(value, dict) else None
    folder = value.get("is_dir", False) if isinstance(value, dict) else None
    if not isinstance(path, str) or not isinstance(folder, bool) or "/" in path:
        raise SourceRefused(f"{where} lists an entry that is neither a file nor a folder.")
    check_path(path, where)
    return _Entry(path, folder)


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
