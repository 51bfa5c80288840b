"""Reads OCI registries by digest: every byte is hashed here, whatever the registry calls it.

A tag may move between check and use (CVE-2022-47633), a registry may serve another manifest to
every caller, and an index hides which image a node will pull. So a manifest is taken only if its
bytes have the pinned digest, and an index is never a pin.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

from pydantic import TypeAdapter

from interlock.api.config import Oci, longest_prefix
from interlock.api.digests import ModelFile, sha256
from interlock.evidence.hashing import HashCache
from interlock.evidence.http import Answer, Blob, Http, NotFound, SourceRefused, shown
from interlock.evidence.layer import read_layer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BUNDLES = 64
FOREVER = float("inf")
"""How long the files of a layer are remembered: its digest names its bytes, whoever serves it."""
TOKEN_SECONDS = 50.0
"""How long a token is used: registries give them for 60 seconds at least."""
_ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FILES = TypeAdapter(list[ModelFile])
_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"')
_UNAUTHORIZED, _NOT_FOUND = 401, 404


@dataclass(frozen=True, slots=True)
class Reference:
    """An image reference with its registry written out."""

    registry: str
    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Split `registry/repository[:tag][@sha256:...]`, as the kinds' pattern allows it."""
        name, _, digest = text.partition("@")
        registry, _, path = name.partition("/")
        repository, _, tag = path.partition(":")
        return cls(registry, repository, tag, digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" * bool(self.digest))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index whose bytes have this digest."""

    digest: str
    media_type: str
    body: Mapping[str, Any]


class OciRegistries:
    """All registries that the configuration reaches. Methods raise SourceError."""

    def __init__(self, entries: list[Oci], cache: HashCache | None = None) -> None:
        self._entries = entries
        self._cache = cache or HashCache()
        self._open: dict[str, Http] = {}
        self._tokens: dict[str, tuple[float, dict[str, str]]] = {}

    async def close(self) -> None:
        """Close the connections."""
        for http in self._open.values():
            await http.close()

    async def image(self, reference: Reference) -> Manifest:
        """Return the image manifest at the digest, or at the tag where there is no digest."""
        found = await self._manifest(reference, reference.digest or reference.tag or "latest")
        if found.media_type in (INDEX, DOCKER_INDEX):
            raise SourceRefused(
                f"{reference} is an index of several platforms. Pin the digest of the manifest "
                "for linux/amd64 inside it, so that what was approved is what a node pulls."
            )
        if found.media_type not in (MANIFEST, DOCKER_MANIFEST):
            raise SourceRefused(
                f"{reference} is of type {shown(found.media_type, 80)!r}, not an image manifest."
            )
        return found

    async def model_files(self, reference: Reference, manifest: Manifest) -> list[ModelFile]:
        """Return the files of a model volume, each hashed from the streamed layer."""
        layers = manifest.body.get("layers")
        if manifest.media_type != MANIFEST or not isinstance(layers, list) or len(layers) != 1:
            raise SourceRefused(f"{reference} is not an OCI image of exactly one layer. {_PUBLISH}")
        media_type, digest, size = _descriptor(layers[0], str(reference))
        if media_type != LAYER:
            raise SourceRefused(f"{reference} has a layer of type {media_type!r}. {_PUBLISH}")
        key = f"{digest} {size}"
        if text := self._cache.get(key, FOREVER):
            return _FILES.validate_json(text)
        async with aclosing(self._blob(reference, digest)) as chunks:
            files = await read_layer(chunks, digest, size, str(reference))
        self._cache.put(key, _FILES.dump_json(files).decode())
        return files

    async def evidence(self, reference: Reference, digest: str) -> list[Blob]:
        """Return the bundles that refer to a manifest. Where they lie says nothing about trust."""
        index = await self._referrers(reference, digest)
        entries = index.get("manifests", [])
        if not isinstance(entries, list):
            raise SourceRefused(f"{reference}: its list of referrers is not a list.")
        wanted = [each for each in entries if _artifact_type(each) == BUNDLE]
        if len(wanted) > MAX_BUNDLES:
            raise SourceRefused(
                f"{reference}: {len(wanted)} bundles refer to it, at most {MAX_BUNDLES} are read. "
                "Remove old ones from the registry."
            )
        return [await self._bundle(reference, each) for each in wanted]

    async def _bundle(self, reference: Reference, entry: object) -> Blob:
        _, name, _ = _descriptor(entry, str(reference))
        manifest = await self._manifest(reference, name)
        layers = manifest.body.get("layers")
        if not isinstance(layers, list) or len(layers) != 1:
            raise SourceRefused(f"{reference}: the referrer {name} has not exactly one layer.")
        _, digest, _ = _descriptor(layers[0], f"{reference}: {name}")
        blob = await self._http(reference).blob(
            f"{self._base(reference)}/blobs/{digest}",
            f"oci:{reference.registry}/{reference.repository}@{name}",
            headers=await self._headers(reference),
        )
        if blob.data is not None and f"sha256:{sha256(blob.data)}" != digest:
            raise SourceRefused(f"{reference}: the registry served other bytes for {digest}.")
        return blob

    async def _referrers(self, reference: Reference, digest: str) -> Mapping[str, Any]:
        """Ask the referrers API, and the tag that older registries use instead (OCI 1.1)."""
        query = urlencode({"artifactType": BUNDLE})
        answer = await self._get(reference, f"referrers/{digest}?{query}", INDEX)
        if answer.status == _NOT_FOUND:
            answer = await self._get(reference, f"manifests/{digest.replace(':', '-')}", INDEX)
        if answer.status == _NOT_FOUND:
            return {}
        return self._parsed(reference, answer)

    async def _manifest(self, reference: Reference, name: str) -> Manifest:
        answer = await self._get(reference, f"manifests/{name}", _ACCEPT)
        if answer.status == _NOT_FOUND:
            raise NotFound(
                f"{reference}: the registry {reference.registry} has no manifest {name} in "
                f"{reference.repository}. Push it, or pin what is there."
            )
        body = self._parsed(reference, answer)
        digest = f"sha256:{sha256(answer.body)}"
        if _DIGEST.fullmatch(name) and name != digest:
            raise SourceRefused(f"{reference}: the registry served {digest} under that name.")
        declared = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        media_type = str(body.get("mediaType", declared))
        if media_type != declared:
            raise SourceRefused(
                f"{reference} calls itself {shown(media_type, 80)!r}, its registry calls it "
                f"{shown(declared, 80)!r}. Push it again under one type."
            )
        return Manifest(digest, media_type, body)

    def _parsed(self, reference: Reference, answer: Answer) -> dict[str, Any]:
        http = self._http(reference)
        http.expect_ok(answer.status, f"{self._base(reference)} ({reference})")
        return http.parsed(answer, f"{self._base(reference)} ({reference})")

    async def _blob(self, reference: Reference, digest: str) -> AsyncGenerator[bytes, None]:
        url = f"{self._base(reference)}/blobs/{digest}"
        stream = self._http(reference).stream(url, await self._headers(reference))
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _get(self, reference: Reference, path: str, accept: str) -> Answer:
        headers = {"Accept": accept, **await self._headers(reference)}
        return await self._http(reference).get(f"{self._base(reference)}/{path}", headers=headers)

    async def _headers(self, reference: Reference) -> dict[str, str]:
        """Return the bearer token that the registry asks for, or nothing where it asks none."""
        key = f"{reference.registry}/{reference.repository}"
        until, headers = self._tokens.get(key, (0.0, {}))
        if monotonic() > until:
            headers = await self._login(reference)
            self._tokens[key] = (monotonic() + TOKEN_SECONDS, headers)
        return headers

    async def _login(self, reference: Reference) -> dict[str, str]:
        http, origin = self._http(reference), self._origin(reference)
        probe = await http.get(f"{origin}/v2/")
        challenge = next((v for k, v in probe.headers.items() if k.lower() == _CHALLENGE), "")
        if probe.status != _UNAUTHORIZED or not challenge.lower().startswith("bearer "):
            return {}
        said = dict(_PARAMETER.findall(challenge))
        realm = urlsplit(said.get("realm", ""))
        if f"{realm.scheme}://{realm.netloc}" != origin:
            raise SourceRefused(
                f"registry {reference.registry} wants tokens from {shown(realm.netloc, 80)!r}. "
                "Interlock gives its login to the registry's own host only; use a mirror of it."
            )
        scope = f"repository:{reference.repository}:pull"
        query = urlencode({"service": said.get("service", ""), "scope": scope})
        answer = await http.json(f"{origin}{realm.path}?{query}")
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SourceRefused(f"registry {reference.registry} gave no token for {scope}.")
        return {"Authorization": f"Bearer {token}"}

    def _base(self, reference: Reference) -> str:
        return f"{self._origin(reference)}/v2/{reference.repository}"

    def _origin(self, reference: Reference) -> str:
        entry = self._entry(reference)
        return f"{'http' if entry and entry.plain_http else 'https'}://{reference.registry}"

    def _entry(self, reference: Reference) -> Oci | None:
        return longest_prefix(self._entries, f"{reference.registry}/{reference.repository}")

    def _http(self, reference: Reference) -> Http:
        entry = self._entry(reference)
        key = f"{reference.registry} {entry.prefix if entry else ''}"
        if key not in self._open:
            login = _login(entry) if entry and entry.auth_file else None
            ca_file = entry.ca_file if entry else None
            self._open[key] = Http(f"registry {reference.registry}", ca_file, login)
        return self._open[key]


_PUBLISH = "Make the model's volume with `interlock-pipeline publish`."
_CHALLENGE = "www-authenticate"


def _login(entry: Oci) -> tuple[str, str] | None:
    if entry.auth_file is None:
        return None
    user, _, password = entry.auth_file.read_text().strip().partition(":")
    return user, password


def _artifact_type(entry: object) -> object:
    return entry.get("artifactType") if isinstance(entry, dict) else None


def _descriptor(value: object, where: str) -> tuple[str, str, int]:
    """Return media type, digest and size of an OCI descriptor (image-spec descriptor.md)."""
    entry = value if isinstance(value, dict) else {}
    media_type, digest, size = (entry.get(key) for key in ("mediaType", "digest", "size"))
    if (
        not isinstance(media_type, str)
        or not isinstance(digest, str)
        or not isinstance(size, int)
        or not _DIGEST.fullmatch(digest)
    ):
        raise SourceRefused(f"{where} names a part without type, SHA-256 digest and size.")
    return media_type, digest, size
