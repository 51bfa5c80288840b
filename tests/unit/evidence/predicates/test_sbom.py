"""Bills of materials of three formats become the same few facts."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from interlock.api.proofs import Sbom
from interlock.evidence.predicates import cyclonedx, spdx
from interlock.evidence.predicates.base import Told
from interlock.evidence.statement import Refused
from support import proofs, signed
from support.proofs import library

TOLD = Told(signed.now(), ())
MODEL = Told(signed.now(), signed.model_files())
IMAGE = "1a" * 32
WEIGHTS = hashlib.sha256(signed.FILES["weights.safetensors"]).hexdigest()
CONFIG = hashlib.sha256(signed.FILES["MLmodel"]).hexdigest()


def read(*components: dict[str, Any], told: Told = TOLD, **changes: Any) -> Sbom:
    return cyclonedx.read(proofs.cyclonedx(*components, **changes), told)


def second(**changes: Any) -> dict[str, Any]:
    """An SPDX 2.3 document about an image with two packages, one without a purl."""
    return {
        "spdxVersion": "SPDX-2.3",
        "packages": [
            {"SPDXID": "SPDXRef-image", "name": "press", "checksums": [_sum(IMAGE)]},
            {
                "SPDXID": "SPDXRef-a",
                "name": "aiohttp",
                "externalRefs": [
                    {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a"},
                    {"referenceType": "purl", "referenceLocator": "pkg:pypi/aiohttp@3.14"},
                ],
            },
            {"SPDXID": "SPDXRef-b", "name": "vendored"},
            {"SPDXID": "SPDXRef-c", "name": "debian", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        ],
        "files": [{"fileName": "./weights.safetensors", "checksums": [_sum(WEIGHTS)]}],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-image",
            }
        ],
    } | changes


def third(*elements: dict[str, Any], version: str = "3.0.1") -> dict[str, Any]:
    """An SPDX 3.0 document about an image with two packages, one without a purl, and a model."""
    graph: list[dict[str, Any]] = [
        {"type": "CreationInfo", "specVersion": version},
        {"type": "SpdxDocument", "spdxId": "d", "rootElement": ["s"]},
        {"type": "software_Sbom", "spdxId": "s", "rootElement": ["i"]},
        {
            "type": "software_Package",
            "spdxId": "i",
            "software_primaryPurpose": "container",
            "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": IMAGE}],
        },
        {"type": "software_Package", "spdxId": "a", "software_packageUrl": "pkg:pypi/a@1"},
        {"type": "software_Package", "spdxId": "b"},
        {
            "type": "ai_AIPackage",
            "spdxId": "m",
            "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": WEIGHTS}],
        },
    ]
    return {"@context": "https://spdx.org/rdf/3.0.1/x.jsonld", "@graph": [*graph, *elements]}


def _sum(digest: str) -> dict[str, str]:
    return {"algorithm": "SHA256", "checksumValue": digest}


def test_a_cyclonedx_inventory_is_counted() -> None:
    nested = library("click", components=[library("colorama", purl=None)])
    said = read(library("aiohttp"), nested)
    assert said == Sbom(format="CycloneDX", version="1.6", components=3, unidentified=1)


@pytest.mark.parametrize(
    ("purl", "unidentified"),
    [
        ("pkg:pypi/aiohttp@3.14", 0),
        ("pkg:npm/%40angular/core@1.0?x=y#z", 0),
        ("pkg:npm/@angular/core", 1),
        ("pkg:golang/github.com/a/b", 1),
        ("pkg:golang/github.com/a/b?vcs=x@1", 1),
        ("pkg:pypi/aiohttp@", 1),
        ("aiohttp@3.14", 1),
        ("", 1),
    ],
)
def test_a_package_is_identified_by_a_purl_with_a_version(purl: str, unidentified: int) -> None:
    assert read(library("aiohttp", purl=purl)).unidentified == unidentified


@pytest.mark.parametrize("kind", ["operating-system", "application", "file", "container"])
def test_what_is_no_package_needs_no_purl(kind: str) -> None:
    assert read({"type": kind, "name": "debian"}).unidentified == 0
    assert read({"type": f"{kind}x", "name": "debian"}).unidentified == 1


@pytest.mark.parametrize(
    "about",
    [
        {"version": f"sha256:{IMAGE}"},
        {"purl": f"pkg:oci/press@sha256%3A{IMAGE}?arch=amd64"},
        {"hashes": [{"alg": "SHA-256", "content": IMAGE}, {"alg": "MD5", "content": "x"}]},
    ],
    ids=["version", "purl", "hash"],
)
def test_a_document_says_what_it_is_about(about: dict[str, Any]) -> None:
    component = {"type": "container", "name": "press"} | about
    said = read(metadata={"component": component})
    assert (said.describes, said.components) == ([IMAGE], 2)


def test_a_document_that_names_no_digest_is_about_whatever_its_statement_says() -> None:
    assert read(metadata={"component": {"type": "container", "name": "press"}}).describes == []


def test_an_ml_bom_lists_the_models_files() -> None:
    said = read(proofs.model_component(), told=MODEL)
    assert (len(said.models), said.unlisted, said.unlisted_files) == (1, 0, [])


def test_a_file_that_is_not_listed_or_with_other_bytes_is_named() -> None:
    other = signed.FILES | {"weights.safetensors": b"other"}
    said = read(proofs.model_component(other), told=MODEL)
    assert (said.unlisted, said.unlisted_files) == (1, ["weights.safetensors"])


def test_a_models_own_digest_is_not_an_images() -> None:
    said = read(metadata={"component": proofs.model_component()}, told=MODEL)
    assert (said.describes, len(said.models), said.unlisted) == ([], 1, 0)


def test_spdx_2_3_amounts_to_the_same() -> None:
    said = spdx.read(second(), MODEL)
    assert said == Sbom(
        format="SPDX",
        version="2.3",
        components=4,
        unidentified=1,
        describes=[IMAGE],
        unlisted=1,
        unlisted_files=["MLmodel"],
    )


def test_spdx_2_3_may_name_its_subject_in_a_list() -> None:
    said = second(relationships=[], documentDescribes=["SPDXRef-image"])
    assert spdx.read(said, TOLD).describes == [IMAGE]


def test_spdx_3_amounts_to_the_same() -> None:
    assert spdx.read(third(), MODEL) == Sbom(
        format="SPDX",
        version="3.0.1",
        components=3,
        unidentified=1,
        describes=[IMAGE],
        models=[WEIGHTS],
        unlisted=1,
        unlisted_files=["MLmodel"],
    )


def test_spdx_3_may_identify_a_package_by_an_identifier() -> None:
    named = {"externalIdentifierType": "packageUrl", "identifier": "pkg:pypi/c@1"}
    element = {"type": "software_Package", "spdxId": "c", "externalIdentifier": [named]}
    assert spdx.read(third(element), TOLD).unidentified == 1


@pytest.mark.parametrize("digest", [IMAGE.upper(), IMAGE[:40], f"sha256:{IMAGE}", ""])
@pytest.mark.parametrize(
    "read_with",
    [
        lambda digest: read(library("x", hashes=[{"alg": "SHA-256", "content": digest}])),
        lambda digest: spdx.read(second(files=[{"checksums": [_sum(digest)]}]), TOLD),
        lambda digest: read(metadata=_about(f"sha256:{digest}")),
    ],
    ids=["cyclonedx", "spdx", "version"],
)
def test_a_digest_is_64_lower_case_hex_digits(
    read_with: Callable[[str], Sbom], digest: str
) -> None:
    with pytest.raises(Refused, match="lower-case"):
        read_with(digest)


@pytest.mark.parametrize(
    "changes",
    [
        {"bomFormat": "SPDX"},
        {"specVersion": "1.3"},
        {"specVersion": "2.0"},
        {"components": {}},
        {"components": [{"name": "no type"}]},
        {"components": [library("x", components=[{"type": "library"}])]},
        {"metadata": {"component": []}},
    ],
)
def test_another_document_is_no_cyclonedx(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(**changes)
    assert refused.value.code == "BadPredicate"


@pytest.mark.parametrize(
    "document",
    [
        {},
        second(spdxVersion="SPDX-2.2"),
        second(packages=[{"name": "no id"}]),
        third(version="3.1.0"),
        third({"type": "CreationInfo", "specVersion": "3.0.0"}),
        {"@graph": []},
        {"@graph": [{"type": "software_Package"}]},
        proofs.cyclonedx(),
    ],
)
def test_another_document_is_no_spdx(document: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        spdx.read(document, TOLD)
    assert refused.value.code == "BadPredicate"


def test_a_bill_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.evidence.predicates.sbom.MAX_ITEMS", 2)
    nested = library("a", components=[library("b"), library("c")])
    with pytest.raises(Refused, match="at most 2"):
        read(nested)


def test_more_models_than_can_be_kept_are_refused() -> None:
    models = [
        {"type": "machine-learning-model", "name": "m", "hashes": [_sha(n)]} for n in range(65)
    ]
    with pytest.raises(Refused, match="at most 64"):
        read(*models)


def _about(version: str) -> dict[str, Any]:
    return {"component": {"type": "container", "name": "x", "version": version}}


def _sha(number: int) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hashlib.sha256(bytes([number])).hexdigest()}
