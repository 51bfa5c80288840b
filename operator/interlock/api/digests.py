"""One function a digest, so that no two places can disagree about what was approved.

All digests are SHA-256 over a domain tag and length-prefixed parts, written as 64 lower-case hex
digits. The tag keeps a digest of one kind from ever being taken for another (type confusion).
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import rfc8785

MODEL_TREE_DOMAIN = b"interlock/model-tree/v1\n"
BEHAVIOUR_DOMAIN = b"interlock/behaviour/v1\n"
CONTENT_DOMAIN = b"interlock/content/v1\n"
CONFIG_MAP_DOMAIN = b"interlock/config-map/v1\n"
SHORT = 10

BEHAVIOUR_FIELDS = ("image", "model", "prompts", "tools", "policies", "knowledge")
CONTENT_FIELDS = (
    *BEHAVIOUR_FIELDS,
    "riskTier",
    "mode",
    "port",
    "env",
    "secrets",
    "network",
    "resources",
    "health",
    "rollout",
    "rollback",
    "dependsOn",
    "fallback",
)


class ModelFile(NamedTuple):
    """One regular file of a model: POSIX path below the model's root, size in bytes, SHA-256."""

    path: str
    size: int
    sha256: str


def canonical(value: object) -> bytes:
    """Return RFC 8785 bytes of a JSON value. Raises ValueError for what JSON cannot hold."""
    data: bytes = rfc8785.dumps(value)
    return data


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def of_value(value: object) -> str:
    """Return the SHA-256 of the RFC 8785 form of a JSON value."""
    return sha256(canonical(value))


def short(digest: str | None) -> str:
    """Return the ten hex digits that people see, or a dash where there is no digest."""
    return digest.removeprefix("sha256:")[:SHORT] if digest else "-"


def model_tree(files: Iterable[ModelFile]) -> str:
    """Return the digest of a model's files: names, sizes and bytes, in byte order of the paths.

    Unlike the OMS root digest (OMS spec 6.5.1, digests only) it binds the names, so that a renamed
    file is another tree. Raises ValueError for a path that occurs twice.
    """
    digest = hashlib.sha256(MODEL_TREE_DOMAIN)
    previous: bytes | None = None
    for path, file in sorted((file.path.encode(), file) for file in files):
        if path == previous:
            raise ValueError(f"the path {file.path!r} occurs twice in one model")
        previous = path
        digest.update(_prefixed(path) + file.size.to_bytes(8, "big") + bytes.fromhex(file.sha256))
    return digest.hexdigest()


def config_map(data: Mapping[str, str]) -> str:
    """Return the digest of a ConfigMap's `data`: keys and values, in byte order of the keys."""
    digest = hashlib.sha256(CONFIG_MAP_DOMAIN)
    for key, value in sorted((key.encode(), value.encode()) for key, value in data.items()):
        digest.update(_prefixed(key) + _prefixed(value))
    return digest.hexdigest()


def behaviour(spec: Mapping[str, Any]) -> str:
    """Return the digest of what an agent does: image, model, prompts, tools, policies, knowledge.

    `spec` is the AgentDeployment's spec without absent fields and without defaults. A hold is on
    this digest, so that a changed replica count or env value does not bring a bad model back.
    """
    return _domain(BEHAVIOUR_DOMAIN, {key: spec[key] for key in BEHAVIOUR_FIELDS if key in spec})


def content(namespace: str, name: str, spec: Mapping[str, Any]) -> str:
    """Return the digest that people approve: behaviour, identity and everything else of the spec.

    `replicas`, `warm` and `paused` are operational and in no digest. A field at its default is
    left out by the caller, so that a new field with a default changes no digest.
    """
    fields = {key: spec[key] for key in CONTENT_FIELDS if key in spec}
    return _domain(CONTENT_DOMAIN, {"namespace": namespace, "name": name, "spec": fields})


def _domain(tag: bytes, value: object) -> str:
    return sha256(tag + _prefixed(canonical(value)))


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data
