"""A CycloneDX bill of materials, 1.4 to 1.7, of software or of a model (ML-BOM)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from interlock.api.proofs import Sbom
from interlock.evidence.predicates.base import Part, Told, incomplete
from interlock.evidence.predicates.sbom import MAX_ITEMS, Item, canonical, summary

_MODEL = "machine-learning-model"
_NO_PACKAGES = frozenset(
    {
        "application",  # scanners list lock files and binaries as such, and their packages apart
        "container",
        "cryptographic-asset",
        "data",
        "device",
        "file",
        "operating-system",
    }
)

_Text = Annotated[str, Field(max_length=4096)]


class _Hash(Part):
    alg: str
    content: str


class _Component(Part):
    type: Annotated[str, Field(min_length=1, max_length=64)]
    name: _Text
    version: _Text = ""
    purl: _Text = ""
    hashes: list[_Hash] = []
    components: list["_Component"] = []


class _Metadata(Part):
    component: _Component | None = None


class _Bom(Part):
    bom_format: Literal["CycloneDX"]
    spec_version: Literal["1.4", "1.5", "1.6", "1.7"]
    metadata: _Metadata = _Metadata()
    components: Annotated[list[_Component], Field(max_length=MAX_ITEMS)] = []


def read(predicate: Mapping[str, Any], told: Told) -> Sbom:
    """Return a CycloneDX document as facts. Raises Refused."""
    try:
        said = _Bom.model_validate(predicate)
    except ValidationError as error:
        raise incomplete(error, "a CycloneDX document, 1.4 to 1.7") from None
    items = [item for each in said.components for item in _items(each)]
    if about := said.metadata.component:
        items.append(_item(about, root=True))
        items += [item for each in about.components for item in _items(each)]
    return summary("CycloneDX", said.spec_version, items, told)


def _items(component: _Component) -> Iterator[Item]:
    yield _item(component)
    for each in component.components:
        yield from _items(each)


def _item(component: _Component, *, root: bool = False) -> Item:
    return Item(
        kind=_kind(component.type),
        purls=(component.purl,) if component.purl else (),
        version=component.version,
        sha256=frozenset(canonical(h.content) for h in component.hashes if h.alg == "SHA-256"),
        root=root,
    )


def _kind(word: str) -> Literal["package", "model", "other"]:
    if word == _MODEL:
        return "model"
    return "other" if word in _NO_PACKAGES else "package"
