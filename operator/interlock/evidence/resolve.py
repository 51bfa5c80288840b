"""Asks the world whether the pins of a spec are true.

People approve digests that stand in a file; the network is only asked whether they are so. The
same code answers for `interlock pin`, `interlock check` and the verifier, so that what was
pinned on a laptop and what is judged in a cluster cannot differ in how it was counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.api import digests
from interlock.api.config import Config
from interlock.api.content import Content
from interlock.api.digests import ModelFile
from interlock.api.facts import Pin, Registered
from interlock.api.kinds.deployment import AgentDeploymentSpec, ConfigMapRef, ModelRef
from interlock.evidence.hashing import HashCache
from interlock.evidence.http import NotFound, SourceRefused
from interlock.evidence.mlflow import Mlflow, ModelVersion
from interlock.evidence.oci import OciRegistries, Reference


@dataclass(frozen=True, slots=True)
class Answer:
    """What the world says: a value, or nothing and why."""

    value: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model's version as it lies in MLflow, and its volume as it lies in the OCI registry."""

    version: Answer
    """The version's number: what an alias names now."""
    tree: Answer
    """`sha256:` and the tree digest of the registered files."""
    volume: Answer
    """`sha256:` and the digest of the volume's manifest."""
    volume_tree: Answer
    """`sha256:` and the tree digest of the files in the volume's layer."""
    found: ModelVersion | None = None
    files: tuple[ModelFile, ...] = ()
    content: Content | None = None
    """What the registered files are, by their bytes."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The world's answers for one spec."""

    image: Answer
    model: ResolvedModel | None = None
    prompts: Mapping[str, Answer] = field(default_factory=dict)
    """Name to `sha256:` and the digest of the text."""


class World:
    """The registries that the configuration names, with their connections."""

    def __init__(self, config: Config, cache: HashCache | None = None) -> None:
        cache = cache or HashCache()
        self._registries = {
            name: Mlflow(name, registry, cache) for name, registry in config.registries.items()
        }
        self.oci = OciRegistries(config.oci, cache)

    async def close(self) -> None:
        """Close all connections."""
        await self.oci.close()
        for registry in self._registries.values():
            await registry.close()

    def registry(self, name: str) -> Mlflow:
        """Return a model registry. Raises SourceRefused for a name that is not configured."""
        if name not in self._registries:
            known = ", ".join(sorted(self._registries)) or "none"
            raise SourceRefused(
                f"The configuration names no model registry {name!r} (it names: {known}). "
                "Name another in spec.model.registry, or have it added to the configuration."
            )
        return self._registries[name]


async def resolve(spec: AgentDeploymentSpec, world: World) -> Resolved:
    """Return what the world says now about everything that `spec` names. Raises SourceError.

    What does not exist is an answer; a source that cannot be asked, or that answers what cannot
    be taken, is an error.
    """
    registry = spec.model.registry if spec.model else "default"
    return Resolved(
        image=await _image(Reference.parse(spec.image), world),
        model=await _model(spec.model, world) if spec.model else None,
        prompts={
            prompt.name: await _prompt(world.registry(registry), prompt.name, prompt.version)
            for prompt in spec.prompts
        },
    )


def pins(spec: AgentDeploymentSpec, resolved: Resolved) -> list[Pin]:
    """Return each pin of image, model and prompts beside what the world says, by name."""
    found = [_pin("image", _digest_of(spec.image), resolved.image)]
    if spec.model and resolved.model:
        found += _model_pins(spec.model, resolved.model)
    found += [
        _pin(f"prompts[{prompt.name}].digest", prompt.digest, resolved.prompts[prompt.name])
        for prompt in spec.prompts
    ]
    return sorted(found, key=lambda pin: pin.name)


def registered(resolved: Resolved) -> Registered | None:
    """Return which registered version was compared, so that a later one of its name is noticed."""
    found = resolved.model.found if resolved.model else None
    if found is None:
        return None
    return Registered(
        name=found.name, version=found.version, model_id=found.model_id, created=found.created
    )


def config_map_pins(
    spec: AgentDeploymentSpec, data: Mapping[str, Mapping[str, str] | None]
) -> list[Pin]:
    """Return each ConfigMap pin beside what lies in the cluster (None: no such ConfigMap)."""
    named: list[tuple[str, ConfigMapRef]] = [
        (f"tools[{tool.name}].schema.digest", tool.schema_) for tool in spec.tools if tool.schema_
    ]
    named += [(f"policies[{policy.name}].digest", policy) for policy in spec.policies]
    found = [
        _pin(name, ref.digest, _config_map(ref.config_map, data.get(ref.config_map)))
        for name, ref in named
    ]
    return sorted(found, key=lambda pin: pin.name)


def config_map_names(spec: AgentDeploymentSpec) -> set[str]:
    """Return the ConfigMaps that a spec pins: what `config_map_pins` needs the data of."""
    schemas = {tool.schema_.config_map for tool in spec.tools if tool.schema_}
    return schemas | {policy.config_map for policy in spec.policies}


async def _image(reference: Reference, world: World) -> Answer:
    try:
        return Answer((await world.oci.image(reference)).digest)
    except NotFound as missing:
        return Answer(detail=str(missing))


async def _model(ref: ModelRef, world: World) -> ResolvedModel:
    volume, volume_tree = await _volume(ref.volume, world)
    registry = world.registry(ref.registry)
    try:
        found = await registry.version(ref.name, ref.version, ref.alias)
        tree = await registry.tree(found)
    except NotFound as missing:
        none = Answer(detail=str(missing))
        return ResolvedModel(version=none, tree=none, volume=volume, volume_tree=volume_tree)
    return ResolvedModel(
        version=Answer(found.version),
        tree=_tree(tree.files, f"{ref.name} version {found.version} has no files"),
        volume=volume,
        volume_tree=volume_tree,
        found=found,
        files=tree.files,
        content=tree.content,
    )


async def _volume(volume: str | None, world: World) -> tuple[Answer, Answer]:
    if volume is None:
        none = Answer(detail="spec.model.volume names no OCI image of the model")
        return none, none
    reference = Reference.parse(volume)
    try:
        manifest = await world.oci.image(reference)
        files = await world.oci.model_files(reference, manifest)
    except NotFound as missing:
        return Answer(detail=str(missing)), Answer(detail=str(missing))
    return Answer(manifest.digest), _tree(files, f"{reference} has no files")


async def _prompt(registry: Mlflow, name: str, version: str) -> Answer:
    try:
        text = await registry.prompt(name, version)
    except NotFound as missing:
        return Answer(detail=str(missing))
    return Answer(f"sha256:{digests.sha256(text.encode())}")


def _tree(files: list[ModelFile] | tuple[ModelFile, ...], empty: str) -> Answer:
    if not files:
        return Answer(detail=empty)
    return Answer(f"sha256:{digests.model_tree(files)}")


def _model_pins(ref: ModelRef, model: ResolvedModel) -> list[Pin]:
    """The volume is true if its pinned digest holds exactly the files of the pinned tree."""
    found = [_pin("model.tree", ref.tree, model.tree)]
    if ref.version is None:
        found.append(_pin("model.version", None, model.version))
    if ref.volume is not None:
        pinned = ref.tree if _digest_of(ref.volume) else None
        found.append(_pin("model.volume", pinned, model.volume_tree))
    return found


def _config_map(name: str, data: Mapping[str, str] | None) -> Answer:
    if data is None:
        return Answer(detail=f"the namespace has no ConfigMap {name}")
    return Answer(f"sha256:{digests.config_map(data)}")


def _pin(name: str, expected: str | None, got: Answer) -> Pin:
    return Pin(name=name, expected=expected or "", got=got.value, detail=got.detail)


def _digest_of(reference: str) -> str:
    return reference.partition("@")[2]
