"""Small OCI images, made from bytes and pushed to the sandbox's registry without a builder.

The same files give the same digest on every machine: demos and tests can name it in advance.
"""

import hashlib
import io
import json
import tarfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
Descriptor = Mapping[str, str | int]


def push_image(
    registry: str,
    repository: str,
    files: Mapping[str, bytes],
    config: Mapping[str, object] | None = None,
    tag: str | None = None,
) -> str:
    """Pushes a one-layer image of `files`; `config` holds Cmd, Env and the like. Its digest."""
    content = layer(files)
    pushed = push_blob(registry, repository, content, LAYER)
    about = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": push_blob(registry, repository, _json(about), CONFIG),
        "layers": [pushed],
    }
    return push_manifest(registry, repository, manifest, tag)


def push_blob(registry: str, repository: str, content: bytes, media_type: str) -> Descriptor:
    """Uploads a blob in one piece; the descriptor by which a manifest names it."""
    name = digest(content)
    started = _send("POST", f"http://{registry}/v2/{repository}/blobs/uploads/", b"", {})
    place = urllib.parse.urljoin(f"http://{registry}", started.headers["Location"])
    query = urllib.parse.urlencode({"digest": name})
    separator = "&" if urllib.parse.urlsplit(place).query else "?"
    octets = {"Content-Type": "application/octet-stream"}
    _send("PUT", f"{place}{separator}{query}", content, octets)
    return {"mediaType": media_type, "digest": name, "size": len(content)}


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


def layer(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed tar: sorted paths, mode 0444, no times, no owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o444
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def digest(content: bytes) -> str:
    """`sha256:<64 hex>`, as OCI names content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _send(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> HTTPResponse:
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - our own registry
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        answer.read()
        response: HTTPResponse = answer
        return response
