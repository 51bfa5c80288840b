"""Pushes to one repository of an OCI registry (distribution-spec 1.1), and refers to what is there.

Blobs go up in one piece from wherever they come; what is there already is not sent again. Which
bundles belong to an image is written down twice: in the bundle's own manifest (`subject`), and,
for registries without the referrers API, in the index that the fallback tag names.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from interlock.evidence.http import shown
from interlock.evidence.oci import DOCKER_MANIFEST, INDEX, MANIFEST, Reference
from interlock_pipelines.errors import BadInput, Refused, Unavailable
from interlock_pipelines.http import Answer, Http

EMPTY = "application/vnd.oci.empty.v1+json"
"""Media type of a config that says nothing (image-spec manifest.md)."""
_ATTEMPTS = 4
"""Two writers of one fallback tag overwrite each other; the loser sees it and writes again."""
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
_OK, _CREATED, _ACCEPTED, _UNAUTHORIZED, _NOT_FOUND = 200, 201, 202, 401, 404
_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"')
Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a registry."""

    plain_http: bool = False
    login: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image's manifest: its descriptor, and what it says."""

    descriptor: Descriptor
    body: Mapping[str, Any]
    content: bytes = b""
    """The bytes that its digest is of."""

    @property
    def hex(self) -> str:
        """The SHA-256 of its bytes, 64 hex digits."""
        return str(self.descriptor["digest"]).removeprefix("sha256:")


class Repository:
    """One repository, such as `registry.example/models/press-scheduler`."""

    def __init__(self, name: str, access: Access) -> None:
        if not _REPOSITORY.fullmatch(name):
            raise BadInput(
                f"{shown(name, 200)!r} is no OCI repository. Write it with its registry and "
                "without tag or digest, as registry.example/models/press-scheduler."
            )
        self.name = name
        host, _, path = name.partition("/")
        self._origin = f"{'http' if access.plain_http else 'https'}://{host}"
        self._base = f"{self._origin}/v2/{path}"
        self._http = Http(f"registry {host}", access.login)
        self._scope = f"repository:{path}:pull,push"
        self._token: dict[str, str] | None = None

    def push_bytes(self, content: bytes, media_type: str) -> Descriptor:
        """Push a small blob; its descriptor."""
        return self.push(describe(content, media_type), lambda: [content])

    def push(self, blob: Descriptor, chunks: Callable[[], Iterable[bytes]]) -> Descriptor:
        """Push the blob that a descriptor names unless it is there. Raises PipelineError."""
        there = self._send("HEAD", f"blobs/{blob['digest']}", (_OK, _NOT_FOUND))
        if there.status == _OK:
            return blob
        started = self._send("POST", "blobs/uploads/", (_ACCEPTED,), b"")
        place = urljoin(f"{self._base}/blobs/uploads/", started.headers.get("Location", ""))
        if not place.startswith(f"{self._origin}/"):
            host = shown(urlsplit(place).netloc, 80)
            raise Refused(f"{self._http.name} wants the upload sent to {host!r}, another host.")
        query = urlencode({"digest": blob["digest"]})
        url = f"{place}{'&' if urlsplit(place).query else '?'}{query}"
        size = {"Content-Type": "application/octet-stream", "Content-Length": str(blob["size"])}
        self._send("PUT", url, (_CREATED,), chunks(), size)
        return blob

    def pull(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a blob's bytes, at most as many as its descriptor says. Raises PipelineError.

        They are those of the digest if the last one was yielded.
        """
        digest, size = hashlib.sha256(), 0
        url = f"{self._base}/blobs/{blob['digest']}"
        for chunk in self._http.stream(url, self._tokens()):
            size += len(chunk)
            if size > blob["size"]:
                break
            digest.update(chunk)
            yield chunk
        if (size, f"sha256:{digest.hexdigest()}") != (blob["size"], blob["digest"]):
            raise Refused(f"{self.name}: the registry served other bytes for {blob['digest']}.")

    def push_manifest(self, body: Mapping[str, object], name: str = "") -> Descriptor:
        """Push a manifest or index, under its digest unless another name is given."""
        content = canonical(body)
        descriptor = describe(content, str(body["mediaType"]))
        self._put_manifest(content, descriptor, name)
        return descriptor

    def image(self, digest: str) -> Manifest:
        """Return the manifest of one image, by digest. Raises PipelineError."""
        answer = self._manifest(digest, ", ".join((MANIFEST, DOCKER_MANIFEST, INDEX)))
        if answer.status == _NOT_FOUND:
            raise Refused(
                f"{self.name} has no manifest {digest}. Push the image first, and name the digest "
                "that the push printed."
            )
        body = self._http.parsed(f"{self._base}/manifests/{digest}", answer)
        media_type = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
        found = describe(answer.body, media_type)
        if found["digest"] != digest:
            raise Refused(f"{self.name}: the registry served {found['digest']} for {digest}.")
        if media_type not in (MANIFEST, DOCKER_MANIFEST):
            raise BadInput(
                f"{self.name}@{digest} is of type {shown(media_type, 80)!r}, not one image. An "
                "index hides which image a node runs: name the image of the nodes' platform."
            )
        return Manifest(found, body, answer.body)

    def refer(
        self, subject: Descriptor, bundle: bytes, kind: str, about: Mapping[str, str]
    ) -> Descriptor:
        """Push an artifact of type `kind` that refers to `subject`; its descriptor."""
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": self.push_bytes(b"{}", EMPTY),
            "layers": [self.push_bytes(bundle, kind)],
            "subject": subject,
            "annotations": dict(about),
        }
        content = canonical(body)
        pushed = describe(content, MANIFEST)
        answer = self._put_manifest(content, pushed)
        if "OCI-Subject" not in answer.headers:  # the registry keeps no list of referrers
            self._list(subject, pushed | {"artifactType": kind, "annotations": dict(about)})
        return pushed

    def _list(self, subject: Descriptor, entry: Descriptor) -> None:
        """Add an entry to the index of the fallback tag, and see that it stayed there."""
        tag = str(subject["digest"]).replace(":", "-")
        for _ in range(_ATTEMPTS):
            entries = self._referrers(tag)
            if any(each.get("digest") == entry["digest"] for each in entries):
                return
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*entries, entry]}
            self.push_manifest(index, tag)
        raise Unavailable(
            f"{self.name}: the list of bundles {tag} was overwritten {_ATTEMPTS} times. "
            "Somebody else publishes for this image now; start again when they are done."
        )

    def _referrers(self, tag: str) -> list[Descriptor]:
        answer = self._manifest(tag, INDEX)
        if answer.status == _NOT_FOUND:
            return []
        entries = self._http.parsed(f"{self._base}/manifests/{tag}", answer).get("manifests")
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise Refused(f"{self.name}: the tag {tag} names no list of bundles. Remove the tag.")
        return entries

    def _manifest(self, name: str, accept: str) -> Answer:
        wanted = {"Accept": accept}
        return self._send("GET", f"manifests/{name}", (_OK, _NOT_FOUND), headers=wanted)

    def _put_manifest(self, content: bytes, descriptor: Descriptor, name: str = "") -> Answer:
        path = f"manifests/{name or descriptor['digest']}"
        kind = {"Content-Type": str(descriptor["mediaType"])}
        return self._send("PUT", path, (_CREATED,), content, kind)

    def _send(
        self,
        method: str,
        path: str,
        accept: tuple[int, ...],
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        url = path if path.startswith(self._origin) else f"{self._base}/{path}"
        return self._http.send(method, url, accept, body, dict(headers or {}) | self._tokens())

    def _tokens(self) -> dict[str, str]:
        if self._token is None:
            self._token = self._login()
        return self._token

    def _login(self) -> dict[str, str]:
        """Return the bearer token that the registry asks for, or nothing where it asks none."""
        probe = self._http.send("GET", f"{self._origin}/v2/", (_OK, _UNAUTHORIZED, _NOT_FOUND))
        challenge = probe.headers.get("WWW-Authenticate") or ""
        if probe.status != _UNAUTHORIZED or not challenge.lower().startswith("bearer "):
            return {}
        said = dict(_PARAMETER.findall(challenge))
        realm = said.get("realm", "")
        if not realm.startswith(f"{self._origin}/"):
            raise Refused(
                f"{self._http.name} wants tokens from {shown(urlsplit(realm).netloc, 80)!r}. "
                "A login is given to the registry's own host only."
            )
        query = urlencode({"service": said.get("service", ""), "scope": self._scope})
        answer = self._http.json("GET", f"{realm}?{query}")
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Refused(f"{self._http.name} gave no token for {self._scope}. Check the rights.")
        return {"Authorization": f"Bearer {token}"}


def pinned(reference: str) -> Reference:
    """Return a reference that names its digest. Raises BadInput for one that does not."""
    found = Reference.parse(reference)
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", found.digest):
        raise BadInput(
            f"Image {shown(reference, 200)!r} is not pinned. A tag may move while it is signed: "
            "write registry/repository@sha256:… with the digest that the push printed."
        )
    return found


def descriptor(content_digest: str, size: int, media_type: str) -> Descriptor:
    """Return an OCI descriptor."""
    return {"mediaType": media_type, "digest": content_digest, "size": size}


def describe(content: bytes, media_type: str) -> Descriptor:
    """Return the OCI descriptor of these bytes."""
    return descriptor(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), media_type)


def canonical(body: Mapping[str, object]) -> bytes:
    """Return the one JSON form in which manifests are pushed."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
