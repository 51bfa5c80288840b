"""Registers a model in MLflow so that Interlock finds its files and its evidence again.

A version is made last, when its files and its signature are there: whoever sees it sees it whole.
MLflow's REST calls are used as they are, as the reading side does: its client library takes an
account from the process's environment only and retries for minutes when a server is down.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from interlock.api.digests import ModelFile, sha256
from interlock.evidence.http import shown
from interlock.evidence.mlflow import EVIDENCE_FOLDER, EVIDENCE_SUFFIX
from interlock_pipelines.errors import PipelineError, Refused
from interlock_pipelines.http import Http
from interlock_pipelines.tree import Tree

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_SCHEME = "mlflow-artifacts:/"
_OK, _CREATED, _NO_CONTENT, _BAD, _NOT_FOUND = 200, 201, 204, 400, 404
_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a registered model, and the run that holds its evidence."""

    name: str
    version: str
    run: str
    model: str
    """MLflow's identifier of the logged model."""


class Mlflow:
    """One MLflow server under one account. Methods raise PipelineError."""

    def __init__(self, url: str, login: tuple[str, str] | None) -> None:
        self._base = url.rstrip("/")
        self._http = Http(f"MLflow at {self._base}", login)

    def register(
        self, name: str, experiment: str, tree: Tree, evidence: Mapping[str, bytes]
    ) -> Registered:
        """Register a tree as a new version of `name`, its evidence (kind to bundle) beside it."""
        folder = self._experiment(experiment)
        self._registered_model(name)
        run = self._post("runs/create", {"experiment_id": folder, "run_name": f"publish-{name}"})
        info = run["run"]["info"]
        try:
            made = self._version(name, folder, info, tree, evidence)
        except PipelineError:
            with suppress(PipelineError):  # the first error is the one to tell
                self._end(info["run_id"], "FAILED")
            raise
        self._end(info["run_id"], "FINISHED")
        return made

    def run_of(self, name: str, version: str) -> Mapping[str, Any]:
        """Return the run that a version came from, as MLflow describes it."""
        query = urlencode({"name": name, "version": version})
        found = self._call("GET", f"model-versions/get?{query}")["model_version"]
        run = str(found.get("run_id") or "")
        if not run:
            raise Refused(
                f"{self._http.name}: {shown(name, 140)} version {shown(version, 20)} came from no "
                "run, so there is no place for its evidence. Register it with "
                "`interlock-pipeline publish`."
            )
        info: Mapping[str, Any] = self._call("GET", f"runs/get?{urlencode({'run_id': run})}")
        described: Mapping[str, Any] = info["run"]["info"]
        return described

    def attach(self, run: Mapping[str, Any], kind: str, bundle: bytes) -> str:
        """Put a bundle among a run's evidence; the path of the artifact."""
        name = f"{EVIDENCE_FOLDER}/{kind}-{sha256(bundle)[:12]}{EVIDENCE_SUFFIX}"
        self._upload(f"{self._place(run['artifact_uri'])}/{name}", bundle)
        return name

    def _version(
        self,
        name: str,
        experiment: str,
        run: Mapping[str, Any],
        tree: Tree,
        evidence: Mapping[str, bytes],
    ) -> Registered:
        wish = {"experiment_id": experiment, "source_run_id": run["run_id"]}
        # Names of logged models may hold fewer characters than those of registered ones.
        logged = self._post("logged-models", {**wish, "name": name.replace(".", "-")})
        model = logged["model"]["info"]
        for file in tree.files:
            self._upload_file(self._place(model["artifact_uri"]), tree, file)
        for kind, bundle in evidence.items():
            self.attach(run, kind, bundle)
        ready = {"model_id": model["model_id"], "status": "LOGGED_MODEL_READY"}
        self._call("PATCH", f"logged-models/{model['model_id']}", ready)
        source = {"source": f"models:/{model['model_id']}", "model_id": model["model_id"]}
        wanted = {"name": name, "run_id": run["run_id"], **source}
        made = self._post("model-versions/create", wanted)["model_version"]
        return Registered(name, str(made["version"]), run["run_id"], model["model_id"])

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, made if it is not there."""
        query = urlencode({"experiment_name": name})
        url = f"{self._base}{_API}/experiments/get-by-name?{query}"
        answer = self._http.send("GET", url, (_OK, _NOT_FOUND))
        if answer.status == _OK:
            return str(self._http.parsed(url, answer)["experiment"]["experiment_id"])
        return str(self._post("experiments/create", {"name": name})["experiment_id"])

    def _registered_model(self, name: str) -> None:
        """Make a registered model unless it is there.

        Asking first would not do: MLflow answers 403 for one that is not there.
        """
        url = f"{self._base}{_API}/registered-models/create"
        answer = self._http.ask("POST", url, {"name": name}, (_OK, _BAD))
        said = self._http.parsed(url, answer)
        if answer.status != _OK and said.get("error_code") != _EXISTS:
            raise Refused(
                f"{self._http.name} makes no registered model {name!r}: "
                f"{shown(str(said.get('message')), 300)}"
            )

    def _end(self, run: str, status: str) -> None:
        self._post("runs/update", {"run_id": run, "status": status})

    def _upload_file(self, folder: str, tree: Tree, file: ModelFile) -> None:
        url = f"{self._base}{_ARTIFACTS}/{quote(f'{folder}/{file.path}')}"
        size = {"Content-Length": str(file.size), "Content-Type": "application/octet-stream"}
        self._http.send("PUT", url, (_OK, _CREATED, _NO_CONTENT), tree.chunks(file), size)

    def _upload(self, path: str, content: bytes) -> None:
        url = f"{self._base}{_ARTIFACTS}/{quote(path)}"
        kind = {"Content-Type": "application/octet-stream"}
        self._http.send("PUT", url, (_OK, _CREATED, _NO_CONTENT), content, kind)

    def _place(self, uri: str) -> str:
        """Return the path of artifacts below MLflow's own artifact server."""
        if not uri.startswith(_SCHEME):
            raise Refused(
                f"{self._http.name} keeps artifacts at {shown(uri, 120)!r}. Interlock reads from "
                f"MLflow's own artifact server only ({_SCHEME}…): start it with --serve-artifacts "
                "and use a new experiment."
            )
        return uri.removeprefix(_SCHEME)

    def _post(self, call: str, body: Mapping[str, object]) -> Any:
        return self._call("POST", call, body)

    def _call(self, method: str, call: str, body: Mapping[str, object] | None = None) -> Any:
        return self._http.json(method, f"{self._base}{_API}/{call}", body)
