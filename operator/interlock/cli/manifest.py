"""An agent's file as a person or CI holds it: read as strictly as the cluster reads it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.api import digests
from interlock.api.facts import Subject
from interlock.api.kinds import AgentDeployment, AgentDeploymentSpec
from interlock.cli.exits import BadInput
from interlock.policy import strict_yaml
from interlock.policy.settings import complaints

MAX_BYTES = 256 * 1024
MAX_NEIGHBOURS = 256
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class AgentFile:
    """One AgentDeployment in a file, and its digests."""

    path: Path
    data: bytes
    namespace: str
    name: str
    spec: AgentDeploymentSpec
    dumped: dict[str, Any]
    """The spec without absent fields and defaults."""

    @property
    def digest(self) -> str:
        """The content digest: what people approve."""
        return digests.content(self.namespace, self.name, self.dumped)

    @property
    def subject(self) -> Subject:
        """What gates judge."""
        return Subject(
            namespace=self.namespace,
            name=self.name,
            spec=self.dumped,
            digest=self.digest,
            behaviour=digests.behaviour(self.dumped),
        )


def read(path: Path, namespace: str = "") -> AgentFile:
    """Return the agent in a file. `namespace` is where it goes if the file does not say.

    Raises BadInput with a sentence.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    return parse(path, data, namespace)


def parse(path: Path, data: bytes, namespace: str = "") -> AgentFile:
    """Return the agent that these bytes of a file say. Raises BadInput with a sentence."""
    try:
        document = strict_yaml.load(data, limit=MAX_BYTES)
        if not isinstance(document, Mapping) or document.get("kind") != "AgentDeployment":
            got = document.get("kind") if isinstance(document, Mapping) else "no mapping"
            raise BadInput(f"{path}: this is {got!r}, expected kind: AgentDeployment")
        agent = AgentDeployment.parse(document)
    except ValidationError as error:
        raise BadInput(f"{path}: {complaints(error)}") from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None
    place = agent.metadata.namespace or namespace
    if not place:
        raise BadInput(
            f"{path}: metadata.namespace is missing. Write it there, or give --namespace."
        )
    if namespace and place != namespace:
        raise BadInput(f"{path}: metadata.namespace is {place!r}, --namespace is {namespace!r}")
    return AgentFile(path, data, place, agent.metadata.name, agent.spec, agent.spec.dump())


def config_maps(folder: Path) -> dict[str, dict[str, str]]:
    """Return the data of each ConfigMap whose manifest lies in a folder, by name."""
    return {name: data for document in _documents(folder) for name, data in _config_map(document)}


def config_maps_in(files: Mapping[str, bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield name and data of each ConfigMap whose manifest is one of these files, by file name."""
    manifests = sorted(name for name in files if name.endswith(SUFFIXES))
    for name in manifests[:MAX_NEIGHBOURS]:
        if document := _document(files[name]):
            yield from _config_map(document)


def _documents(folder: Path) -> Iterator[Mapping[str, Any]]:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    for file in files[:MAX_NEIGHBOURS]:
        with suppress(OSError):
            if document := _document(file.read_bytes()):
                yield document


def _document(data: bytes) -> Mapping[str, Any] | None:
    """Return a document, or None: it is somebody else's; the syncer will say what is wrong."""
    try:
        document = strict_yaml.load(data, limit=MAX_BYTES)
    except ValueError:
        return None
    return document if isinstance(document, Mapping) else None


def _config_map(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    metadata, data = document.get("metadata"), document.get("data") or {}
    if document.get("kind") != "ConfigMap" or not isinstance(metadata, Mapping):
        return
    if isinstance(data, dict) and all(isinstance(value, str) for value in data.values()):
        yield str(metadata.get("name")), data
