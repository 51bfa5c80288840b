"""Reads `MLmodel`, the file in which MLflow writes what it will import to load a model.

Its keys are a closed list: a key that this reader does not know may be one that a newer MLflow
obeys. Paths must stay in the model (CVE-2023-6909, CVE-2024-37052 to 37060: loading is running).
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.evidence.formats.names import plain
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import Bad
from interlock.policy import strict_yaml
from interlock.policy.strict_text import StrictError

FILE = "MLmodel"
MAX_BYTES = 256 * 1024
_Text = Annotated[str, Field(max_length=4096)]
_CODE = ("code", "model_code_path", "code_paths")
_PATHS = ("data", "code", "model_code_path", "python_model", "model_path", "pickled_model")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class _Env(_Closed):
    conda: _Text | None = None
    virtualenv: _Text | None = None
    uv: _Text | None = None


class _Artifact(_Closed):
    path: _Text
    uri: _Text | None = None


class _Pyfunc(_Closed):
    loader_module: _Text
    python_version: _Text | None = None
    data: _Text | None = None
    env: _Env | _Text | None = None
    code: _Text | None = None
    config: dict[str, Any] | _Text | None = None
    model_code_path: _Text | None = None
    python_model: _Text | None = None
    python_model_compression: _Text | None = None
    cloudpickle_version: _Text | None = None
    artifacts: dict[str, _Artifact] = {}
    streamable: bool | None = None
    predict_fn: _Text | None = None
    predict_stream_fn: _Text | None = None


class _Flavors(BaseModel):
    """`python_function` by its own list; others are what their library wrote."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    python_function: _Pyfunc | None = None


class _MLmodel(_Closed):
    flavors: _Flavors
    artifact_path: _Text | None = None
    run_id: _Text | None = None
    model_id: _Text | None = None
    model_uuid: _Text | None = None
    model_size_bytes: int | None = None
    mlflow_version: _Text | None = None
    utc_time_created: _Text | None = None
    databricks_runtime: _Text | None = None
    signature: dict[str, Any] | None = None
    saved_input_example_info: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    is_signature_from_type_hint: bool | None = None
    type_hint_from_example: bool | None = None
    prompts: list[Any] | None = None
    params: dict[str, Any] | None = None
    resources: dict[str, Any] | None = None
    auth_policy: dict[str, Any] | None = None
    env_vars: list[_Text] | None = None


def read(document: bytes, place: Place) -> None:
    """Note what a loader would import and put on its path. Raises Bad for an unknown key."""
    try:
        model = _MLmodel.model_validate(strict_yaml.load(document, limit=MAX_BYTES))
    except StrictError as error:
        raise Bad(f"MLmodel: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Bad(f"MLmodel: {where}: {first['msg']}") from None
    flavors: dict[str, Any] = dict(model.flavors.model_extra or {})
    if model.flavors.python_function:
        flavors["python_function"] = model.flavors.python_function.model_dump()
    for name, flavor in flavors.items():
        _flavor(name, flavor, place)


def _flavor(name: str, flavor: object, place: Place) -> None:
    if not isinstance(flavor, dict):
        raise Bad(f"MLmodel: the flavor {name[:64]} is no mapping")
    if isinstance(loader := flavor.get("loader_module"), str):
        place.name(place.notes.loaders, loader)
    paths = [flavor.get(key) for key in _PATHS]
    artifacts = flavor.get("artifacts") or {}
    paths += [each.get("path") for each in artifacts.values()] if name == "python_function" else []
    for path in filter(None, paths):
        if not isinstance(path, str) or not plain(path.removesuffix("/")):
            raise Bad(f"MLmodel: the flavor {name[:64]} names {str(path)[:80]!r}, not a file of it")
    for path in filter(None, (flavor.get(key) for key in _CODE)):
        place.name(place.notes.code, str(path))
