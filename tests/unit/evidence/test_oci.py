"""What an OCI registry says, believed as far as its bytes have the digests that were asked for."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Oci
from interlock.evidence import oci
from interlock.evidence.hashing import HashCache
from interlock.evidence.http import Blob, NotFound, SourceRefused
from interlock.evidence.oci import BUNDLE, INDEX, LAYER, MANIFEST, OciRegistries, Reference
from interlock_sandbox.images import layer
from support import signed
from support.web import Web

ORIGIN = "https://registry.example"
REPOSITORY = f"{ORIGIN}/v2/models/press"
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}"}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    monkeypatch.setattr(oci, "Http", web.make)
    return web


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob(web: Web, data: bytes, kind: str) -> dict[str, Any]:
    web.says(f"{REPOSITORY}/blobs/{digest(data)}", data, "application/octet-stream")
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}


def manifest(web: Web, value: dict[str, Any], kind: str = MANIFEST, tag: str = "") -> str:
    data = json.dumps({"schemaVersion": 2, "mediaType": kind, **value}).encode()
    for name in (digest(data), *((tag,) if tag else ())):
        web.says(f"{REPOSITORY}/manifests/{name}", data, kind)
    return digest(data)


def volume(web: Web, data: bytes = b"", kind: str = LAYER) -> str:
    return manifest(
        web, {"config": EMPTY, "layers": [blob(web, data or layer(signed.FILES), kind)]}
    )


def reference(name: str) -> Reference:
    separator = "@" if name.startswith("sha256:") else ":"
    return Reference.parse(f"registry.example/models/press{separator}{name}")


@pytest.mark.parametrize(
    "text",
    ["r.example/a/b", "r.example:5000/a:1.4.2", f"r.example/a:1@sha256:{'a' * 64}"],
)
def test_a_reference_is_split_and_joined(text: str) -> None:
    parsed = Reference.parse(text)
    assert str(parsed) == text
    assert parsed.registry in {"r.example", "r.example:5000"}


async def test_a_manifest_has_the_digest_that_was_asked_for(web: Web) -> None:
    name = manifest(web, {"layers": []}, tag="1.4.2")
    found = await OciRegistries([]).image(reference(name))
    assert (found.digest, found.media_type) == (name, MANIFEST)
    assert (await OciRegistries([]).image(reference("1.4.2"))).digest == name


async def test_another_manifest_under_the_digest_is_refused(web: Web) -> None:
    other = manifest(web, {"layers": [1]})
    asked = f"sha256:{'b' * 64}"
    web.answers[f"{REPOSITORY}/manifests/{asked}"] = web.answers[f"{REPOSITORY}/manifests/{other}"]
    with pytest.raises(SourceRefused, match="served sha256:"):
        await OciRegistries([]).image(reference(asked))


async def test_a_missing_manifest_is_not_found(web: Web) -> None:
    with pytest.raises(NotFound, match="has no manifest"):
        await OciRegistries([]).image(reference(f"sha256:{'b' * 64}"))


@pytest.mark.parametrize("kind", [INDEX, oci.DOCKER_INDEX, "text/html"])
async def test_a_pin_names_an_image_of_one_platform(web: Web, kind: str) -> None:
    name = manifest(web, {"manifests": []}, kind)
    with pytest.raises(SourceRefused, match=r"index of several platforms|not an image manifest"):
        await OciRegistries([]).image(reference(name))


async def test_a_manifest_of_two_types_is_refused(web: Web) -> None:
    """CVE-2021-41190: the same bytes read as an image or as an index."""
    data = json.dumps({"mediaType": INDEX, "manifests": []}).encode()
    web.says(f"{REPOSITORY}/manifests/{digest(data)}", data, MANIFEST)
    with pytest.raises(SourceRefused, match="under one type"):
        await OciRegistries([]).image(reference(digest(data)))


async def test_a_volume_is_streamed_file_by_file(web: Web) -> None:
    registries, wanted = OciRegistries([]), reference(volume(web))
    found = await registries.model_files(wanted, await registries.image(wanted))
    assert found == signed.model_files()


async def test_a_layer_is_read_once_whoever_asks_again(web: Web) -> None:
    wanted, cache = reference(volume(web)), HashCache()
    first = OciRegistries([], cache)
    found = await first.model_files(wanted, await first.image(wanted))
    sent = web.sent
    second = OciRegistries([], cache)
    assert await second.model_files(wanted, await second.image(wanted)) == found
    assert web.sent == sent


async def test_a_layer_of_the_same_size_is_another_one(web: Web) -> None:
    files = dict.fromkeys(signed.FILES, b"x")
    registries = OciRegistries([])
    for contents in (files, dict.fromkeys(files, b"y")):
        wanted = reference(volume(web, layer(contents)))
        found = await registries.model_files(wanted, await registries.image(wanted))
        assert found == signed.model_files(contents)


async def test_a_layer_of_another_size_is_another_one(web: Web) -> None:
    part = blob(web, layer(signed.FILES), LAYER)
    good, short = (
        reference(
            manifest(web, {"config": EMPTY, "layers": [part | {"size": part["size"] - less}]})
        )
        for less in (0, 1)
    )
    registries = OciRegistries([])
    await registries.model_files(good, await registries.image(good))
    with pytest.raises(SourceRefused, match="longer than it says"):
        await registries.model_files(short, await registries.image(short))


async def test_a_volume_is_one_uncompressed_layer(web: Web) -> None:
    registries = OciRegistries([])
    two = blob(web, layer(signed.FILES), LAYER)
    names = [
        manifest(web, {"config": EMPTY, "layers": [two, two]}),
        manifest(web, {"config": EMPTY}),
        manifest(web, {"config": EMPTY, "layers": [{"mediaType": LAYER, "digest": "sha1:x"}]}),
        volume(web, b"zip", f"{LAYER}+gzip"),
    ]
    for name in names:
        wanted = reference(name)
        with pytest.raises(SourceRefused):
            await registries.model_files(wanted, await registries.image(wanted))


def referrer(web: Web, data: bytes) -> dict[str, Any]:
    name = manifest(web, {"config": EMPTY, "layers": [blob(web, data, BUNDLE)]})
    return {"mediaType": MANIFEST, "digest": name, "size": 1, "artifactType": BUNDLE}


@pytest.mark.parametrize("by", ["api", "tag"])
async def test_bundles_are_found_by_the_api_and_by_the_fallback_tag(web: Web, by: str) -> None:
    subject = f"sha256:{'c' * 64}"
    other = {"mediaType": MANIFEST, "digest": subject, "size": 1, "artifactType": "text/spdx"}
    index = {"mediaType": INDEX, "manifests": [referrer(web, b"{}"), other]}
    query = f"{REPOSITORY}/referrers/{subject}?artifactType={BUNDLE.replace('+', '%2B')}"
    tag = f"{REPOSITORY}/manifests/sha256-{'c' * 64}"
    web.says(query.replace("%2B", "+") if by == "api" else tag, index, INDEX)
    found = await OciRegistries([]).evidence(reference("1.4.2"), subject)
    assert [each.data for each in found] == [b"{}"]
    assert found[0].location.startswith("oci:registry.example/models/press@sha256:")


async def test_an_image_without_referrers_has_no_evidence(web: Web) -> None:
    assert await OciRegistries([]).evidence(reference("1"), f"sha256:{'c' * 64}") == []


async def test_a_bundle_over_its_cap_is_not_read(web: Web) -> None:
    index = {"mediaType": INDEX, "manifests": [referrer(web, bytes(5 << 20))]}
    web.says(f"{REPOSITORY}/manifests/sha256-{'c' * 64}", index, INDEX)
    (found,) = await OciRegistries([]).evidence(reference("1"), f"sha256:{'c' * 64}")
    assert found == Blob(found.location, None)


async def test_other_bytes_for_a_bundle_and_too_many_of_them_are_refused(web: Web) -> None:
    entry = referrer(web, b"{}")
    web.says(f"{REPOSITORY}/blobs/{digest(b'{}')}", b"{ }")
    tag = f"{REPOSITORY}/manifests/sha256-{'c' * 64}"
    web.says(tag, {"mediaType": INDEX, "manifests": [entry]}, INDEX)
    with pytest.raises(SourceRefused, match="other bytes"):
        await OciRegistries([]).evidence(reference("1"), f"sha256:{'c' * 64}")
    web.says(tag, {"mediaType": INDEX, "manifests": [entry] * 65}, INDEX)
    with pytest.raises(SourceRefused, match="65 bundles"):
        await OciRegistries([]).evidence(reference("1"), f"sha256:{'c' * 64}")


async def test_plain_http_and_the_login_are_what_the_longest_prefix_says(
    web: Web, tmp_path: Path
) -> None:
    (tmp_path / "auth").write_text("interlock:secret\n")
    entries = [
        Oci(prefix="registry.example/"),
        Oci(prefix="registry.example/models/", plain_http=True, auth_file=tmp_path / "auth"),
    ]
    with pytest.raises(NotFound):
        await OciRegistries(entries).image(reference("1"))
    assert all(url.startswith("http://registry.example/v2/") for url in web.asked)
    assert web.logins == [("interlock", "secret")]


def challenge(web: Web, realm: str) -> None:
    asked = f'Bearer realm="{realm}",service="registry.example"'
    web.says(f"{ORIGIN}/v2/", b"", status=401, WWW_Authenticate=asked)


async def test_a_token_is_asked_for_once_and_at_the_registrys_own_host(web: Web) -> None:
    name = manifest(web, {"layers": []})
    challenge(web, f"{ORIGIN}/token")
    token = f"{ORIGIN}/token?service=registry.example&scope=repository:models/press:pull"
    web.says(token, {"token": "abc"})
    registries = OciRegistries([])
    await registries.image(reference(name))
    await registries.image(reference(name))
    assert sum("/token?" in url for url in web.asked) == 1
    assert web.tokens[-2:] == ["Bearer abc", "Bearer abc"]


async def test_a_token_from_another_host_is_refused(web: Web) -> None:
    challenge(web, "https://other.example/token")
    with pytest.raises(SourceRefused, match=r"wants tokens from 'other\.example'"):
        await OciRegistries([]).image(reference("1"))
