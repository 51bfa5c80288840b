"""`interlock pin`: writes the digests of what a file names into the file, for people to approve.

It asks the world with the same code as the verifier, and changes nothing but the digests.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from interlock.api import digests
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.deployment import ConfigMapRef, ModelRef
from interlock.cli import exits, manifest, settings, yamledit
from interlock.cli.exits import BadInput, Failed, Refused
from interlock.cli.manifest import AgentFile
from interlock.cli.yamledit import CannotEdit, Edit
from interlock.evidence.http import SourceError
from interlock.evidence.resolve import Answer, Resolved, ResolvedModel, World, resolve

NONE = "(none)"


class Pinned(NamedTuple):
    """One digest that is written: where, what stood there, and the edit of the file."""

    field: str
    old: str
    new: str
    edit: Edit


@click.command(epilog=exits.HELP)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.option("-n", "--namespace", default="", help="Where the file does not say its namespace.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@settings.option
def pin(file: Path, dry_run: bool, namespace: str, output: str, config_file: Path | None) -> None:
    """Resolve what FILE names and write the digests into it.

    Tags, aliases, prompt versions, the model's files and its OCI image are asked for; ConfigMaps
    are read from the manifests beside FILE. Comments and order stay as they are.
    """
    config = settings.load(config_file)
    agent = manifest.read(file, namespace)
    found = asyncio.run(_pinned(agent, World(config)))
    try:
        data = yamledit.apply(agent.data, [one.edit for one in found])
    except CannotEdit as error:
        raise BadInput(f"{file}: {error}") from None
    if found and not dry_run:
        _write(file, data)
    pinned = manifest.parse(file, data, namespace)
    if output == "json":
        changed = [{"field": one.field, "old": one.old, "new": one.new} for one in found]
        click.echo(json.dumps({"content": pinned.digest, "changed": changed}, indent=2))
        return
    for one in found:
        click.echo(f"{one.field}  {one.old or NONE} → {one.new}")
    said = f"{len(found)} changed" if found else "every pin is true already"
    click.echo(f"{file}: {said}; content {digests.short(pinned.digest)}")


async def _pinned(agent: AgentFile, world: World) -> list[Pinned]:
    spec = _unpinned(agent.spec)
    try:
        resolved = await resolve(spec, world)
    except SourceError as error:
        raise Failed(str(error)) from None
    finally:
        await world.close()
    found = [*_image(agent.spec, resolved), *_model(agent.spec.model, resolved.model)]
    found += [*_prompts(agent.spec, resolved), *_config_maps(agent)]
    return [one for one in found if one.old != one.new]


def _unpinned(spec: AgentDeploymentSpec) -> AgentDeploymentSpec:
    """Return the spec with tags asked for anew: a digest beside another tag is an old one."""
    model = spec.model
    if model and model.volume:
        model = model.model_copy(update={"volume": _tagged(model.volume)})
    return spec.model_copy(update={"image": _tagged(spec.image), "model": model})


def _tagged(reference: str) -> str:
    named, _, _ = reference.partition("@")
    return named if ":" in named.rpartition("/")[2] else reference


def _image(spec: AgentDeploymentSpec, resolved: Resolved) -> Iterator[Pinned]:
    digest = _known("image", resolved.image)
    yield _reference("image", ("spec", "image"), spec.image, digest)


def _model(ref: ModelRef | None, model: ResolvedModel | None) -> Iterator[Pinned]:
    if ref is None or model is None:
        return
    where = ("spec", "model")
    tree = _known("model", model.tree)
    if ref.alias:
        version = _known("model", model.version)
        edit = Edit((*where, "alias"), version, rename="version")
        yield Pinned("model.version", f"alias {ref.alias}", version, edit)
    edit = Edit((*where, "tree"), tree, after="version")
    yield Pinned("model.tree", ref.tree or "", tree, edit)
    if ref.volume is None:
        raise BadInput(
            "spec.model.volume is missing: name the OCI repository and tag of the model, as "
            "`interlock-pipeline publish` printed them."
        )
    volume = _known("model.volume", model.volume)
    if model.volume_tree.value != tree:
        raise Refused(
            f"model.volume: {ref.volume} holds the files {model.volume_tree.value}, the registry "
            f"has {tree}. Publish the model again, or name the volume of this version."
        )
    yield _reference("model.volume", (*where, "volume"), ref.volume, volume)


def _prompts(spec: AgentDeploymentSpec, resolved: Resolved) -> Iterator[Pinned]:
    for number, prompt in enumerate(spec.prompts):
        field = f"prompts[{prompt.name}].digest"
        digest = _known(field, resolved.prompts[prompt.name])
        edit = Edit(("spec", "prompts", number, "digest"), digest, after="version")
        yield Pinned(field, prompt.digest or "", digest, edit)


def _config_maps(agent: AgentFile) -> Iterator[Pinned]:
    beside = manifest.config_maps(agent.path.parent)
    for number, tool in enumerate(agent.spec.tools):
        if tool.schema_:
            schema = ("spec", "tools", number, "schema")
            yield from _config_map(f"tools[{tool.name}].schema", schema, tool.schema_, beside)
    for number, policy in enumerate(agent.spec.policies):
        rules = ("spec", "policies", number)
        yield from _config_map(f"policies[{policy.name}]", rules, policy, beside)


def _config_map(
    field: str, where: yamledit.Path, ref: ConfigMapRef, beside: Mapping[str, Mapping[str, str]]
) -> Iterator[Pinned]:
    data = beside.get(ref.config_map)
    if data is None and ref.digest:
        return  # pinned before, and delivered by other means
    if data is None:
        raise BadInput(
            f"spec.{field} names the ConfigMap {ref.config_map}, and no manifest of it lies beside "
            "the file. Put it there, or write its digest."
        )
    digest = f"sha256:{digests.config_map(data)}"
    edit = Edit((*where, "digest"), digest, after="configMap")
    yield Pinned(f"{field}.digest", ref.digest or "", digest, edit)


def _reference(field: str, where: yamledit.Path, reference: str, digest: str) -> Pinned:
    named, _, old = reference.partition("@")
    return Pinned(field, old, digest, Edit(where, f"{named}@{digest}"))


def _known(field: str, answer: Answer) -> str:
    if not answer.value:
        raise Refused(f"{field}: {answer.detail or 'there is no such thing'}")
    return answer.value


def _write(path: Path, data: bytes) -> None:
    """Replace a file's content at once: a pin that is interrupted leaves the old file."""
    mode = path.stat().st_mode & 0o777
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
