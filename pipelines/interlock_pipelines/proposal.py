"""What an AgentDeployment's file says once it names what was published: bytes in, bytes out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.deployment import ModelRef
from interlock.cli import manifest, yamledit
from interlock.cli.difference import Change, changes
from interlock.cli.manifest import AgentFile
from interlock.cli.yamledit import CannotEdit, Edit
from interlock.evidence.http import shown
from interlock_pipelines.errors import BadInput
from interlock_pipelines.oci import pinned

MAX_PUBLISHED_BYTES = 1024 * 1024
_MODEL = ("name", "version", "tree", "volume")


@dataclass(frozen=True, slots=True)
class Published:
    """What is new: nothing, an image, a model, or both."""

    image: str = ""
    model: Mapping[str, str] | None = None
    """`name`, `version`, `tree` and `volume`, as `publish` says them."""


def read_published(path: Path) -> Published:
    """Return what `publish -o json` printed into a file. Raises BadInput."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(MAX_PUBLISHED_BYTES))
        model = value.get("model")
        image = str(value["image"]["image"]) if "image" in value else ""
        return Published(image, {key: str(model[key]) for key in _MODEL} if model else None)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, LookupError, TypeError, AttributeError):
        raise BadInput(f"{path} is not what `interlock-pipeline publish -o json` prints.") from None


def renewed(agent: AgentFile, new: Published) -> AgentFile:
    """Return the file with the new digests in it. Raises BadInput; comments and order stay."""
    try:
        data = yamledit.apply(agent.data, list(_edits(agent.spec, new)))
    except CannotEdit as error:
        raise BadInput(f"{agent.path}: {error}.") from None
    found = manifest.parse(agent.path, data, agent.namespace)
    _check_pinned(found)
    return found


def difference(old: AgentFile | None, new: AgentFile) -> list[Change]:
    """Return what the change changes, field by field."""
    return changes(old.dumped if old else None, new.dumped)


def _edits(spec: AgentDeploymentSpec, new: Published) -> Iterator[Edit]:
    if new.image:
        pinned(new.image)
        yield Edit(("spec", "image"), new.image)
    if new.model:
        yield from _model(spec.model, new.model)


def _model(ref: ModelRef | None, new: Mapping[str, str]) -> Iterator[Edit]:
    if ref is None or ref.name != new["name"]:
        has = f"model {ref.name}" if ref else "no model"
        raise BadInput(
            f"The file names {has}, published was {shown(new['name'], 140)}. Name the file of the "
            "agent that uses it, or write the new model's name there first."
        )
    where = ("spec", "model")
    if ref.alias:
        yield Edit((*where, "alias"), new["version"], rename="version")
    else:
        yield Edit((*where, "version"), new["version"])
    yield Edit((*where, "tree"), new["tree"], after="version")
    yield Edit((*where, "volume"), new["volume"], after="tree")


def _check_pinned(agent: AgentFile) -> None:
    """Refuse to propose what nobody could approve: names that may mean something else tomorrow."""
    loose = [name for name, digest in _references(agent.dumped) if not digest]
    if loose:
        raise BadInput(
            f"{agent.path} names no digest for {', '.join(loose)}. `interlock pin {agent.path}` "
            "writes them."
        )


def _references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "image", spec["image"].partition("@")[2]
    if model := spec.get("model"):
        yield "model.tree", model.get("tree", "")
        yield "model.volume", model.get("volume", "").partition("@")[2]
    for prompt in spec.get("prompts", ()):
        yield f"prompts[{prompt['name']}]", prompt.get("digest", "")
    for policy in spec.get("policies", ()):
        yield f"policies[{policy['name']}]", policy.get("digest", "")
    for tool in spec.get("tools", ()):
        if schema := tool.get("schema"):
            yield f"tools[{tool['name']}].schema", schema.get("digest", "")
