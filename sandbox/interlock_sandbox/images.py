"""Small OCI images, made from bytes and pushed to the sandbox's registry without a builder.

The same files give the same digest on every machine: demos and tests can name it in advance.
"""

import hashlib
import io
import json
import platform
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPResponse

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_IMAGE_NAME = "io.containerd.image.name"  # an annotation
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
Descriptor = Mapping[str, str | int]


def push_image(
    registry: str,
    repository: str,
    files: Mapping[str, bytes],
    config: Mapping[str, object] | None = None,
    tag: str | None = None,
    *,
    mode: int = 0o444,
) -> str:
    """Pushes a one-layer image of `files`; `config` holds Cmd, Env and the like. Its digest."""
    content = layer(files, mode)
    about = _about(content, config or {})
    pushed = push_blob(registry, repository, content, LAYER)
    described = push_blob(registry, repository, about, CONFIG)
    return push_manifest(registry, repository, _manifest(described, pushed), tag)


def archive(name: str, files: Mapping[str, bytes], config: Mapping[str, object]) -> bytes:
    """An image of programs as an OCI archive, for a container runtime to take in as `name`."""
    content = layer(files, mode=0o555)
    about = _about(content, config)
    manifest = _json(_manifest(_descriptor(about, CONFIG), _descriptor(content, LAYER)))
    entry = {**_descriptor(manifest, MANIFEST), "annotations": {_IMAGE_NAME: name}}
    blobs = {f"blobs/{digest(blob).replace(':', '/')}": blob for blob in (content, about, manifest)}
    index = _json({"schemaVersion": 2, "manifests": [entry]})
    return layer({"oci-layout": _LAYOUT, "index.json": index, **blobs})


def push_blob(registry: str, repository: str, content: bytes, media_type: str) -> Descriptor:
    """Uploads a blob in one piece, if it is not there; the descriptor that a manifest names it by.

    That makes a second image with a layer of megabytes a matter of milliseconds.
    """
    name = digest(content)
    described = _descriptor(content, media_type)
    if _there(f"http://{registry}/v2/{repository}/blobs/{name}"):
        return described
    started = _send("POST", f"http://{registry}/v2/{repository}/blobs/uploads/", b"", {})
    place = urllib.parse.urljoin(f"http://{registry}", started.headers["Location"])
    query = urllib.parse.urlencode({"digest": name})
    separator = "&" if urllib.parse.urlsplit(place).query else "?"
    octets = {"Content-Type": "application/octet-stream"}
    _send("PUT", f"{place}{separator}{query}", content, octets)
    return described


def push_manifest(
    registry: str, repository: str, manifest: Mapping[str, object], tag: str | None = None
) -> str:
    """Uploads a manifest of any type, under `tag` if one is given. Its digest."""
    content = _json(manifest)
    name = digest(content)
    media_type = str(manifest["mediaType"])
    url = f"http://{registry}/v2/{repository}/manifests/{tag or name}"
    _send("PUT", url, content, {"Content-Type": media_type})
    return name


def layer(files: Mapping[str, bytes], mode: int = 0o444) -> bytes:
    """An uncompressed tar: sorted paths, one mode, no times, no owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def architecture() -> str:
    """What OCI calls this machine's processor."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def digest(content: bytes) -> str:
    """`sha256:<64 hex>`, as OCI names content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _about(content: bytes, config: Mapping[str, object]) -> bytes:
    about = {
        "architecture": architecture(),
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
    }
    return _json(about)


def _manifest(config: Descriptor, content: Descriptor) -> Mapping[str, object]:
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [content]}


def _descriptor(content: bytes, media_type: str) -> Descriptor:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _there(url: str) -> bool:
    try:
        _send("HEAD", url, None, {})
    except urllib.error.HTTPError as answer:
        answer.close()
        if answer.code == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True


def _send(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HTTPResponse:
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - our own registry
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        answer.read()
        response: HTTPResponse = answer
        return response
