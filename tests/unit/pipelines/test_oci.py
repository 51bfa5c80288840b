"""Pushing to a registry that may be old, slow to agree, or somebody else's."""

import hashlib
import json
from typing import Any

import pytest

from interlock.evidence.oci import BUNDLE, INDEX, MANIFEST
from interlock_pipelines import evidence
from interlock_pipelines.errors import BadInput, Refused, Unavailable
from interlock_pipelines.oci import Access, Manifest, Repository, pinned

HOST = "https://registry.example"
BASE = f"{HOST}/v2/agents/press"
BODY = json.dumps({"mediaType": MANIFEST, "config": {}}).encode()
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
TAG = DIGEST.replace(":", "-")
SUBJECT = {"mediaType": MANIFEST, "digest": DIGEST, "size": len(BODY)}
IMAGE = Manifest(SUBJECT, {})


class Registry:
    """A registry in memory; `lost` writes of the fallback tag are overwritten by somebody."""

    def __init__(self, server: Any, *, referrers: bool = False, lost: int = 0) -> None:
        self.tags: dict[str, bytes] = {}
        self._server, self._referrers, self._lost = server, referrers, lost
        server.handler = self.handle

    def handle(self, method: str, url: str, body: bytes) -> Any:
        path = url.removeprefix(f"{BASE}/")
        if url == f"{HOST}/v2/" or (method == "HEAD" and path.startswith("blobs/")):
            return self._server.answer(200)
        if method == "PUT" and path.startswith("manifests/"):
            return self._put(path.removeprefix("manifests/"), body)
        if method == "GET" and (tag := self.tags.get(path.removeprefix("manifests/"))):
            return self._server.answer(200, tag, Content_Type=INDEX)
        return None

    def _put(self, name: str, body: bytes) -> Any:
        if name == TAG and self._lost:
            self._lost -= 1
        else:
            self.tags[name] = body
        headers = {"OCI_Subject": DIGEST} if self._referrers else {}
        return self._server.answer(201, **headers)

    def listed(self) -> list[str]:
        return [each["digest"] for each in json.loads(self.tags[TAG])["manifests"]]


def repository() -> Repository:
    return Repository("registry.example/agents/press", Access())


def test_a_bundle_refers_to_its_image(server: Any) -> None:
    registry = Registry(server)
    name = evidence.attach(repository(), IMAGE, b"bundle", "https://example.com/kind")
    manifest = json.loads(registry.tags[name])
    assert manifest["subject"] == SUBJECT
    assert manifest["artifactType"] == BUNDLE
    (layer,) = manifest["layers"]
    assert layer["digest"] == f"sha256:{hashlib.sha256(b'bundle').hexdigest()}"
    (entry,) = json.loads(registry.tags[TAG])["manifests"]
    assert (entry["digest"], entry["artifactType"]) == (name, BUNDLE)


def test_the_list_keeps_what_others_wrote(server: Any) -> None:
    registry = Registry(server)
    names = [evidence.attach(repository(), IMAGE, data, "k") for data in (b"1", b"2", b"1")]
    assert registry.listed() == names[:2]


def test_a_lost_write_is_seen_and_repeated(server: Any) -> None:
    registry = Registry(server, lost=2)
    name = evidence.attach(repository(), IMAGE, b"bundle", "k")
    assert registry.listed() == [name]


def test_a_list_that_never_stays_is_told(server: Any) -> None:
    Registry(server, lost=99)
    with pytest.raises(Unavailable, match="was overwritten 4 times"):
        evidence.attach(repository(), IMAGE, b"bundle", "k")


def test_a_registry_with_referrers_keeps_its_own_list(server: Any) -> None:
    registry = Registry(server, referrers=True)
    evidence.attach(repository(), IMAGE, b"bundle", "k")
    assert TAG not in registry.tags


@pytest.mark.parametrize("body", [b"{}", b'{"manifests": {}}', b'{"manifests": [7]}'])
def test_a_tag_that_is_no_list_is_left_alone(server: Any, body: bytes) -> None:
    registry = Registry(server)
    registry.tags[TAG] = body
    with pytest.raises(Refused, match="names no list of bundles"):
        evidence.attach(repository(), IMAGE, b"bundle", "k")
    assert registry.tags[TAG] == body


def test_what_is_there_is_not_sent_again(server: Any) -> None:
    Registry(server)
    repository().push_bytes(b"x", "text/plain")
    assert server.calls()[-1].startswith(f"HEAD {BASE}/blobs/sha256:")


def uploads(server: Any, location: str) -> Any:
    def handle(method: str, url: str, _: bytes) -> Any:
        if url == f"{HOST}/v2/":
            return server.answer(200)
        if method == "POST":
            return server.answer(202, Location=location)
        return server.answer(201) if method == "PUT" else None

    return handle


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        (f"{BASE}/blobs/uploads/7?state=a", f"{BASE}/blobs/uploads/7?state=a&digest="),
        ("/v2/agents/press/blobs/uploads/7", f"{BASE}/blobs/uploads/7?digest="),
    ],
)
def test_a_blob_goes_where_the_registry_says(server: Any, location: str, sent: str) -> None:
    server.handler = uploads(server, location)
    repository().push_bytes(b"x", "text/plain")
    method, url, body, headers = server.asked[-1]
    assert (method, body, headers["Content-Length"]) == ("PUT", b"x", "1")
    assert url.startswith(sent)


@pytest.mark.parametrize("location", ["https://evil.example/x", "//evil.example/x", "file:///x"])
def test_a_blob_goes_to_no_other_host(server: Any, location: str) -> None:
    server.handler = uploads(server, location)
    with pytest.raises(Refused, match="another host"):
        repository().push_bytes(b"x", "text/plain")


def serves(server: Any, body: bytes, kind: str) -> None:
    def handle(_: str, url: str, __: bytes) -> Any:
        return server.answer(200, body, Content_Type=kind) if "/manifests/" in url else None

    server.handler = handle


def test_an_image_is_taken_by_the_digest_of_its_bytes(server: Any) -> None:
    serves(server, BODY, MANIFEST)
    assert repository().image(DIGEST).descriptor == SUBJECT
    with pytest.raises(Refused, match="the registry served"):
        repository().image(f"sha256:{'0' * 64}")


def test_an_index_is_no_image(server: Any) -> None:
    serves(server, BODY, INDEX)
    with pytest.raises(BadInput, match="An index hides which image a node runs"):
        repository().image(DIGEST)


def test_an_image_that_is_not_there_is_named(server: Any) -> None:
    with pytest.raises(Refused, match="Push the image first"):
        repository().image(DIGEST)
    assert server.calls()[-1] == f"GET {BASE}/manifests/{DIGEST}"


def challenge(server: Any, realm: str, token: bytes) -> None:
    bearer = f'Bearer realm="{realm}",service="registry.example"'

    def handle(_: str, url: str, __: bytes) -> Any:
        if url == f"{HOST}/v2/":
            return server.answer(401, WWW_Authenticate=bearer)
        return server.answer(200, token if url.startswith(realm) else b"{}")

    server.handler = handle


def test_a_token_is_fetched_with_the_login_and_used_alone(server: Any) -> None:
    challenge(server, f"{HOST}/token", b'{"token": "abc"}')
    there = Repository("registry.example/agents/press", Access(login=("ci", "secret")))
    there.push_bytes(b"x", "text/plain")
    there.push_bytes(b"y", "text/plain")
    asked = [(url, headers.get("Authorization", "")) for _, url, _, headers in server.asked]
    assert [url for url, _ in asked].count(f"{HOST}/v2/") == 1
    assert asked[1][0].startswith(f"{HOST}/token?service=registry.example&scope=repository%3A")
    assert asked[1][1].startswith("Basic ")
    assert {authorization for _, authorization in asked[2:]} == {"Bearer abc"}


def test_a_login_is_given_to_no_other_host(server: Any) -> None:
    challenge(server, "https://evil.example/token", b'{"token": "abc"}')
    with pytest.raises(Refused, match=r"wants tokens from 'evil\.example'"):
        repository().push_bytes(b"x", "text/plain")
    assert server.calls() == [f"GET {HOST}/v2/"]


@pytest.mark.parametrize("token", [b"{}", b'{"token": 7}', b'{"token": "a\\nb"}'])
def test_a_token_that_is_none_is_refused(server: Any, token: bytes) -> None:
    challenge(server, f"{HOST}/token", token)
    with pytest.raises(Refused, match="gave no token"):
        repository().push_bytes(b"x", "text/plain")


@pytest.mark.parametrize("name", ["press", "registry.example/A", "r/a:1", "r/a@sha256:0", "", "r/"])
def test_what_is_no_repository_is_a_bad_argument(name: str) -> None:
    with pytest.raises(BadInput, match="no OCI repository"):
        Repository(name, Access())


@pytest.mark.parametrize("name", ["r/a", "r/a:1", "r/a@sha256:0", f"r/a@sha512:{'0' * 64}"])
def test_a_tag_is_not_signed(name: str) -> None:
    with pytest.raises(BadInput, match="is not pinned"):
        pinned(name)
    assert pinned(f"r/a:1@{DIGEST}").digest == DIGEST
