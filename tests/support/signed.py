"""Statements that the evidence tests sign with the sandbox's own Sigstore, honest by default."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from interlock.api import facts
from interlock.api.digests import ModelFile
from interlock.evidence.approvalfile import Proofs
from interlock.evidence.sigstore import SigstoreVerifier
from interlock_sandbox.sigstore import Instance, Recipe, statement

IMAGE = "a" * 64
FILES = {"MLmodel": b"flavors: {}\n", "weights.safetensors": b"\x08" * 64}
_HONEST = Recipe()


@cache
def instance() -> Instance:
    """One Sigstore for all tests of a process: its keys cost more than its signatures."""
    return Instance.create()


@cache
def verifier() -> SigstoreVerifier:
    """A verifier that trusts exactly that Sigstore."""
    return SigstoreVerifier(instance().trusted_root())


def proofs() -> Proofs:
    """What the verifier needs to read that Sigstore's bundles now."""
    return Proofs(verifier(), now())


def now() -> dt.datetime:
    """The present moment, which the bundles are signed at, too."""
    return dt.datetime.now(dt.UTC)


def model_files(files: Mapping[str, bytes] = FILES) -> list[ModelFile]:
    """What hashing these files gives."""
    return [
        ModelFile(path, len(data), hashlib.sha256(data).hexdigest())
        for path, data in sorted(files.items())
    ]


def oms(files: Mapping[str, bytes] = FILES, **serialization: object) -> dict[str, Any]:
    """An OMS predicate over these files; `serialization` overrides."""
    method = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    resources = [
        {"name": file.path, "algorithm": "sha256", "digest": file.sha256}
        for file in model_files(files)
    ]
    return {"serialization": method | serialization, "resources": resources}


def root_digest(files: Mapping[str, bytes] = FILES) -> str:
    """The OMS root digest: over the digests alone, so that a renamed file keeps it."""
    return hashlib.sha256(
        b"".join(bytes.fromhex(file.sha256) for file in model_files(files))
    ).hexdigest()


def vulns(*findings: tuple[str, str], finished: dt.datetime | None = None) -> dict[str, Any]:
    """A vulns v0.2 predicate with these findings (identifier, severity)."""
    end = finished or now() - dt.timedelta(minutes=1)
    result = [
        {
            "id": name,
            "severity": [{"method": "interlock.dev/severity", "score": word}],
            "annotations": [
                {
                    "package": "libfoo",
                    "installed": "1.0",
                    "fixed": "1.1",
                    "purl": "pkg:deb/debian/libfoo@1.0?arch=amd64",
                }
            ],
        }
        for name, word in findings
    ]
    return {
        "scanner": {
            "uri": "pkg:golang/github.com/aquasecurity/trivy@0.74.0",
            "version": "0.74.0",
            "db": {"uri": "trivy-db", "version": "2", "lastUpdate": end.isoformat()},
            "result": result,
            "annotations": {
                "suppressed": 0,
                "packages": 12,
                "secrets": 0,
                "os": "debian 12.9",
                "ecosystems": ["debian"],
            },
        },
        "metadata": {
            "scanStartedOn": (end - dt.timedelta(minutes=1)).isoformat(),
            "scanFinishedOn": end.isoformat(),
        },
    }


def signed(
    predicate_type: str, predicate: object, subjects: Mapping[str, str], recipe: Recipe = _HONEST
) -> bytes:
    """A bundle over an in-toto statement."""
    return instance().sign_statement(statement(predicate_type, predicate, subjects), recipe)


def model_statement(files: Mapping[str, bytes] = FILES) -> bytes:
    """What a trainer signs."""
    return statement(facts.OMS, oms(files), {"press": root_digest(files)})


def signed_model(files: Mapping[str, bytes] = FILES, recipe: Recipe = _HONEST) -> bytes:
    """A trainer's signature on a model."""
    return instance().sign_statement(model_statement(files), recipe)


def image_statement() -> bytes:
    """What a builder signs."""
    return statement(facts.COSIGN, {}, {facts.OCI_MANIFEST: IMAGE})


def signed_image(recipe: Recipe = _HONEST) -> bytes:
    """A builder's signature on an image."""
    return instance().sign_statement(image_statement(), recipe)


def joined(*roots: bytes) -> bytes:
    """One trusted root of several, as one that names old and new instances side by side."""
    documents = [json.loads(root) for root in roots]
    kinds = ("tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities")
    lists = {kind: [one for each in documents for one in each[kind]] for kind in kinds}
    return json.dumps(documents[0] | lists).encode()
