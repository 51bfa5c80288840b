"""What of a repository's files may be applied: pure, from bytes to objects or reasons why not.

Only AgentDeployments and immutable ConfigMaps of the repository's own namespace; whatever else a
file says is refused, never dropped in silence, and one bad file does not stop the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from interlock.api import names
from interlock.api.kinds.base import unnamed
from interlock.api.kinds.deployment import AgentDeployment
from interlock.api.kinds.repository import RefusedFile
from interlock.evidence.agentfile import MAX_VALUES
from interlock.evidence.http import shown
from interlock.policy import strict_yaml

MAX_FILE = 256 * 1024
MAX_MESSAGE = 1000
_METADATA = frozenset({"name", "namespace", "labels", "annotations"})
_CONFIG_MAP = frozenset({"apiVersion", "kind", "metadata", "data", "immutable"})

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One object that a file declares, as it is applied."""

    path: str
    object: Object

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name: one object has one file."""
        return self.object["kind"], self.object["metadata"]["name"]


@dataclass(frozen=True, slots=True)
class Documents:
    """What a commit declares. ConfigMaps come first: an agent names them by their content."""

    found: tuple[Document, ...]
    refused: tuple[RefusedFile, ...]


class Refused(ValueError):
    """A file that is not applied; the message is a sentence."""


def parse(files: Mapping[str, bytes], namespace: str, repository: str) -> Documents:
    """Return what the files declare for one namespace, labelled as the repository's."""
    found: dict[tuple[str, str], Document] = {}
    refused: list[RefusedFile] = []
    for path in sorted(files):
        try:
            document = Document(path, _object(files[path], namespace, repository))
            if document.key in found:
                kind, name = document.key
                first = found[document.key].path
                raise Refused(f"{kind} {name} is declared in {first} already; keep one of them")
        except ValueError as error:
            refused.append(refusal(path, error, files[path]))
        else:
            found[document.key] = document
    ordered = sorted(found.values(), key=lambda one: (one.key[0] != "ConfigMap", one.key))
    return Documents(tuple(ordered), tuple(refused))


def refusal(path: str, error: Exception, data: bytes = b"") -> RefusedFile:
    """Return a refusal as the status shows it, with lines where `data` is given."""
    return RefusedFile(path=shown(path, 500), message=shown(_sentence(error, data), MAX_MESSAGE))


def _sentence(error: Exception, data: bytes) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    complaints = error.errors(include_url=False, include_input=False)
    listed = "; ".join(_complaint(one, data) for one in complaints[:5])
    return listed + (f"; and {len(complaints) - 5} more" if len(complaints) > 5 else "")


def _complaint(one: ErrorDetails, data: bytes) -> str:
    place = ".".join(str(part) for part in one["loc"]) or "the document"
    line = f"line {strict_yaml.line_of(data, one['loc'])}: " if data else ""
    if one["type"] != "extra_forbidden":
        return f"{line}{place}: {one['msg']}"
    above = ["agentdeployment", *(part for part in one["loc"][:-1] if isinstance(part, str))]
    return f"{line}{place}: no such field; `kubectl explain {'.'.join(above)}` lists them"


def _object(data: bytes, namespace: str, repository: str) -> Object:
    value = strict_yaml.load(data, limit=MAX_FILE, values=MAX_VALUES)
    if not isinstance(value, dict):
        raise Refused("the file is empty or no mapping; expected one AgentDeployment or ConfigMap")
    for complaint in _complaints(value, namespace):
        raise Refused(complaint)
    if value["kind"] == "AgentDeployment":
        AgentDeployment.parse(value)
    metadata = dict(value["metadata"])
    labels = {**metadata.get("labels", {}), names.LABEL_SYNCED_BY: repository}
    return value | {"metadata": metadata | {"namespace": namespace, "labels": labels}}


def _complaints(value: Object, namespace: str) -> Iterator[str]:
    kind, api_version = value.get("kind"), value.get("apiVersion")
    wanted = {("AgentDeployment", names.API_VERSION), ("ConfigMap", "v1")}
    if not isinstance(kind, str) or (kind, api_version) not in wanted:
        yield f"{kind} of {api_version} is not synced; only AgentDeployment and ConfigMap are"
        return
    yield from _metadata(value.get("metadata"), namespace)
    if kind == "ConfigMap":
        yield from _config_map(value)
    elif "status" in value:
        yield "status is the operator's to write; leave it out"


def _metadata(metadata: object, namespace: str) -> Iterator[str]:
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        yield "metadata.name is missing; give the object a name"
        return
    yield from unnamed(metadata["name"])
    if unknown := sorted(set(metadata) - _METADATA):
        yield f"metadata.{unknown[0]} is not synced; only {', '.join(sorted(_METADATA))} are"
    elsewhere = metadata.get("namespace", namespace)
    if elsewhere != namespace:
        yield (
            f"metadata.namespace is {elsewhere}, expected {namespace}, the namespace of the "
            "AgentRepository; leave it out"
        )
    for part in ("labels", "annotations"):
        marks = metadata.get(part, {})
        if not isinstance(marks, dict) or not all(isinstance(v, str) for v in marks.values()):
            yield f"metadata.{part} is not a mapping of strings; put the values in quotes"
            return
        for mark in marks:
            if mark.partition("/")[0].endswith(names.GROUP) and "/" in mark:
                yield f"metadata.{part}: {mark} is Interlock's own; leave it out"


def _config_map(value: Object) -> Iterator[str]:
    if unknown := sorted(set(value) - _CONFIG_MAP):
        yield f"{unknown[0]} is not synced; a ConfigMap holds data alone"
    if value.get("immutable") is not True:
        yield "immutable is not true; write the ConfigMap with `interlock pin`, named by its digest"
    data = value.get("data", {})
    if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
        yield "data is not a mapping of strings; put the values in quotes"
