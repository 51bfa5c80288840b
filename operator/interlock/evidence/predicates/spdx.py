"""An SPDX bill of materials: 2.3 in its JSON form, or 3.0 as JSON-LD."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from interlock.api.proofs import Sbom
from interlock.evidence.predicates.base import Part, Told, incomplete
from interlock.evidence.predicates.sbom import MAX_ITEMS, Item, canonical, summary
from interlock.evidence.statement import Refused

_DOCUMENT = "SPDXRef-DOCUMENT"
_NO_PACKAGES = frozenset(
    {"application", "container", "data", "device", "file", "operatingsystem", "model"}
)
"""Purposes, in lower case and without dashes, of what is no package with a version of its own."""
_VERSION_3 = re.compile(r"3\.0(\.[0-9]{1,3})?")
_KINDS: dict[str, Literal["package", "model", "other"]] = {
    "software_Package": "package",
    "ai_AIPackage": "model",
    "dataset_DatasetPackage": "other",
    "software_File": "other",
}

_Text = Annotated[str, Field(max_length=4096)]


class _Checksum(Part):
    algorithm: str
    checksum_value: str


class _External(Part):
    reference_type: str
    reference_locator: _Text


class _Package(Part):
    id: Annotated[_Text, Field(alias="SPDXID")]
    version_info: _Text = ""
    primary_package_purpose: str = ""
    external_refs: list[_External] = []
    checksums: list[_Checksum] = []


class _File(Part):
    checksums: list[_Checksum] = []


class _Relation(Part):
    spdx_element_id: str
    relationship_type: str
    related_spdx_element: str


class _Spdx2(Part):
    spdx_version: Literal["SPDX-2.3"]
    packages: Annotated[list[_Package], Field(max_length=MAX_ITEMS)] = []
    files: Annotated[list[_File], Field(max_length=MAX_ITEMS)] = []
    document_describes: list[str] = []
    relationships: list[_Relation] = []


class _Hash(Part):
    algorithm: str = ""
    hash_value: str = ""


class _Identifier(Part):
    external_identifier_type: str = ""
    identifier: _Text = ""


class _Element(Part):
    model_config = ConfigDict(alias_generator=None)

    type: Annotated[str, Field(max_length=128)]
    spdx_id: Annotated[_Text, Field(alias="spdxId")] = ""
    spec_version: Annotated[str, Field(alias="specVersion")] = ""
    root_element: Annotated[list[str], Field(alias="rootElement")] = []
    software_packageVersion: _Text = ""
    software_packageUrl: _Text = ""
    software_primaryPurpose: str = ""
    external_identifier: Annotated[list[_Identifier], Field(alias="externalIdentifier")] = []
    verified_using: Annotated[list[_Hash], Field(alias="verifiedUsing")] = []


class _Spdx3(Part):
    graph: Annotated[list[_Element], Field(alias="@graph", min_length=1, max_length=MAX_ITEMS)]


def read(predicate: Mapping[str, Any], told: Told) -> Sbom:
    """Return an SPDX document as facts. Raises Refused."""
    try:
        if "@graph" in predicate:
            return _third(_Spdx3.model_validate(predicate), told)
        return _second(_Spdx2.model_validate(predicate), told)
    except ValidationError as error:
        raise incomplete(error, "an SPDX document, 2.3 or 3.0") from None


def _second(said: _Spdx2, told: Told) -> Sbom:
    roots = {*said.document_describes}
    for each in said.relationships:
        if (each.spdx_element_id, each.relationship_type) == (_DOCUMENT, "DESCRIBES"):
            roots.add(each.related_spdx_element)
    items = [_package(each, root=each.id in roots) for each in said.packages]
    items += [Item("other", sha256=_checksums(each.checksums)) for each in said.files]
    return summary("SPDX", said.spdx_version.removeprefix("SPDX-"), items, told)


def _package(package: _Package, *, root: bool) -> Item:
    return Item(
        kind=_kind("package", package.primary_package_purpose),
        purls=tuple(
            each.reference_locator
            for each in package.external_refs
            if each.reference_type == "purl"
        ),
        version=package.version_info,
        sha256=_checksums(package.checksums),
        root=root,
    )


def _checksums(checksums: Iterable[_Checksum]) -> frozenset[str]:
    return frozenset(canonical(c.checksum_value) for c in checksums if c.algorithm == "SHA256")


def _third(said: _Spdx3, told: Told) -> Sbom:
    versions = {each.spec_version for each in said.graph if each.type == "CreationInfo"}
    if len(versions) != 1 or not _VERSION_3.fullmatch(version := versions.pop()):
        raise Refused("BadPredicate", "another version of SPDX, or several", "SPDX 3.0")
    # A document's root is a bill of materials, whose root is what that is about.
    roots = {root for each in said.graph for root in each.root_element}
    items = [
        _element(each, _KINDS[each.type], root=each.spdx_id in roots)
        for each in said.graph
        if each.type in _KINDS
    ]
    return summary("SPDX", version, items, told)


def _element(element: _Element, kind: Literal["package", "model", "other"], *, root: bool) -> Item:
    named = [
        each.identifier
        for each in element.external_identifier
        if each.external_identifier_type == "packageUrl"
    ]
    return Item(
        kind=_kind(kind, element.software_primaryPurpose),
        purls=tuple(purl for purl in (element.software_packageUrl, *named) if purl),
        version=element.software_packageVersion,
        sha256=frozenset(
            canonical(each.hash_value)
            for each in element.verified_using
            if each.algorithm == "sha256"
        ),
        root=root,
    )


def _kind(
    kind: Literal["package", "model", "other"], purpose: str
) -> Literal["package", "model", "other"]:
    word = purpose.lower().replace("-", "").replace("_", "")
    if kind != "package" or word not in _NO_PACKAGES:
        return kind
    return "model" if word == "model" else "other"
