"""What is fuzzed: each reader of foreign bytes, with real inputs and its own words for no."""

import asyncio
import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fuzz.harness import Target
from interlock.api.digests import sha256
from interlock.api.facts import (
    COSIGN,
    CYCLONEDX,
    OMS,
    PROVENANCE,
    SPDX,
    SPDX_3,
    TEST_RESULT,
    TRAINING,
    VULNS,
    Approval,
)
from interlock.evidence import approvals, formats, oci, sshsig, statement
from interlock.evidence.http import SourceError
from interlock.evidence.oci import INDEX, LAYER, MANIFEST, OciRegistries, Reference
from interlock.evidence.predicates import READERS, cyclonedx
from interlock.evidence.predicates.base import Told
from interlock.evidence.sigstore import Verified
from interlock.evidence.sshsig import SshsigRefused
from interlock.evidence.statement import PAYLOAD_TYPE, Refused
from interlock.policy import strict_json
from interlock.policy.strict_text import StrictError
from interlock_pipelines import evaluation, provenance, scan, training
from interlock_pipelines.claim import about_image
from interlock_pipelines.errors import BadInput
from interlock_pipelines.evaluation import Results
from interlock_pipelines.materials import Material
from interlock_pipelines.provenance import GITHUB, Build
from interlock_sandbox.images import layer
from support import signed, sshkeys
from support.facts import CONTENT
from support.policies import BRIDGE, ssh_key
from support.web import Web

EXAMPLES = Path(__file__).parents[2] / "examples"
_LIMIT = 4 << 20
_REPOSITORY = "https://registry.example/v2/models/press"


@cache
def _moment() -> datetime:
    return datetime.now(UTC)


@cache
def _bundles() -> dict[bytes, Verified]:
    """Bundles of each kind, and what they prove."""
    kinds = {OMS: signed.oms(), COSIGN: {}, VULNS: signed.vulns(("CVE-2026-1", "HIGH"))}
    found = {}
    for kind, predicate in kinds.items():
        bundle = signed.signed(kind, predicate, {"oci-manifest": signed.IMAGE})
        proven = signed.verifier().verify(bundle, signed.now())
        assert isinstance(proven, Verified)
        found[bundle] = proven
    return found


def _bundle(data: bytes) -> None:
    """Verifying never raises, and proves nothing that was not signed."""
    proven = signed.verifier().verify(data, _moment() + timedelta(seconds=30))
    if isinstance(proven, Verified):
        assert proven in _bundles().values(), "a changed bundle proves something else"
        return
    raise Refused(proven.code, proven.got, proven.expected)


@cache
def _approvals() -> dict[bytes, Approval]:
    """An approval of each kind, and what it says."""
    said = sshkeys.statement("quality-1", "quality", notAfter="2099-01-01T00:00:00Z")
    review = sshkeys.review("quality-1", "quality")
    made = [
        sshkeys.envelope(said, ssh_key("quality-1")),
        sshkeys.envelope(review, ssh_key(BRIDGE), namespace=approvals.FORGE_NAMESPACE),
        signed.instance().sign_statement(json.dumps(said).encode()),
    ]
    return {data: approvals.parse(data, CONTENT, _proofs()) for data in made}


def _proofs() -> approvals.Proofs:
    return approvals.Proofs(signed.verifier(), _moment() + timedelta(seconds=30))


def _approval(data: bytes) -> None:
    """However a file is changed, it says what was signed or nothing."""
    found = approvals.parse(data, CONTENT, _proofs())
    said = [known.model_copy(update={"envelope": found.envelope}) for known in _known()]
    assert found in said, "a changed file says something else"


def _known() -> list[Approval]:
    return list(_approvals().values())


_MESSAGE = b"what was signed"


@cache
def _signatures() -> list[bytes]:
    key = ssh_key("quality-1")
    made = (sshkeys.by_ed25519(key, _MESSAGE), sshkeys.sk_ed25519(key, _MESSAGE)[1])
    return [armored.encode() for armored in made]


def _sshsig(data: bytes) -> None:
    """However a signature is changed, it is by the key that made it or by none."""
    try:
        armored = data.decode("ascii")
    except UnicodeDecodeError:
        raise SshsigRefused("not ASCII") from None
    sshsig.purpose(armored)
    signer = sshsig.verify(armored, _MESSAGE, approvals.NAMESPACE)
    assert signer in {
        sshkeys.fingerprint_of(blob(ssh_key("quality-1")))
        for blob in (sshkeys.ed25519_blob, sshkeys.sk_blob)
    }, "a changed signature is somebody else's"


def _spdx_2() -> dict[str, Any]:
    purl = {"referenceType": "purl", "referenceLocator": "pkg:pypi/a@2"}
    package = {"SPDXID": "SPDXRef-a", "versionInfo": "2", "externalRefs": [purl]}
    relation = {
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-a",
    }
    return {"spdxVersion": "SPDX-2.3", "packages": [package], "relationships": [relation]}


def _spdx_3() -> dict[str, Any]:
    package = {
        "type": "software_Package",
        "spdxId": "https://spdx.example/a",
        "software_packageVersion": "2",
        "software_packageUrl": "pkg:pypi/a@2",
        "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": "1" * 64}],
    }
    about = {"type": "CreationInfo", "specVersion": "3.0.1"}
    return {
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [about, package],
    }


def _predicates() -> dict[str, Any]:
    """One predicate of each type, most of them as our own pipelines make them."""
    data = (Material("orders", "2" * 64),)
    suite = Material("press-safety", "3" * 64)
    results = Results(passed=("one",), failed=("two",), metrics={"f1": 0.97})
    source = "git+https://git.example/line-4/agents"
    build = Build("https://b.example", GITHUB, source, "", "4" * 40, {"workflow": {"ref": "main"}})
    trained = training.predicate(
        run="r1", datasets=data, parameters={"epochs": 3}, commit="4" * 40, finished=_moment()
    )
    return {
        OMS: signed.oms(),
        VULNS: signed.vulns(("CVE-2026-1", "HIGH")),
        CYCLONEDX: json.loads(_boms()[0]),
        SPDX: _spdx_2(),
        SPDX_3: _spdx_3(),
        PROVENANCE: provenance.predicate(build, _moment()),
        TEST_RESULT: evaluation.predicate(results, suite, data),
        TRAINING: trained,
    }


def _statements() -> list[bytes]:
    return [
        json.dumps(
            {
                "_type": statement.STATEMENT_TYPE,
                "subject": [{"name": "oci-manifest", "digest": {"sha256": signed.IMAGE}}],
                "predicateType": kind,
                "predicate": predicate,
            }
        ).encode()
        for kind, predicate in _predicates().items()
    ]


def _statement(data: bytes) -> None:
    said = statement.parse(PAYLOAD_TYPE, data)
    if said.predicate_type in READERS:
        _, reader = READERS[said.predicate_type]
        reader(said.predicate, Told(_moment(), signed.model_files()))


def _boms() -> list[bytes]:
    nested = {"type": "library", "name": "b", "version": "2", "purl": "pkg:pypi/b@2"}
    library = {**nested, "name": "a", "purl": "pkg:pypi/a@2", "components": [nested]}
    content = {"alg": "SHA-256", "content": "1" * 64}
    model = {"type": "machine-learning-model", "name": "press", "hashes": [content]}
    about = {"type": "container", "name": "press", "version": f"sha256:{signed.IMAGE}"}
    return [
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": version,
                "version": 1,
                "metadata": {"component": about},
                "components": [library, model],
            }
        ).encode()
        for version in ("1.4", "1.6", "1.7")
    ]


def _cyclonedx(data: bytes) -> None:
    value = strict_json.load(data, limit=_LIMIT)
    if not isinstance(value, dict):
        raise Refused("BadStatement", "no predicate", "an object")
    cyclonedx.read(value, Told(_moment(), ()))


def _reports() -> list[bytes]:
    found = [path.read_bytes() for path in sorted((EXAMPLES / "scans").glob("*.json"))]
    assert found
    return found


def _trivy(data: bytes) -> None:
    """Whatever a report makes us say is something that our own reader takes, or we say nothing."""
    report = scan.parse_report(json.loads(data), "the report")
    said = scan.predicate(report, _moment(), _moment())
    about_image(f"registry.example/a@sha256:{signed.IMAGE}", VULNS, json.loads(json.dumps(said)))


def _manifests() -> list[bytes]:
    content = layer(signed.FILES)
    part = {"mediaType": LAYER, "digest": f"sha256:{sha256(content)}", "size": len(content)}
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}"}
    about = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [part]}
    return [json.dumps(about).encode()]


def _manifest(data: bytes) -> None:
    """The bytes are served as manifest and as list of referrers of the digest that they have."""
    web, digest = Web(), f"sha256:{sha256(data)}"
    web.says(f"{_REPOSITORY}/manifests/{digest}", data, MANIFEST)
    web.says(f"{_REPOSITORY}/manifests/{digest.replace(':', '-')}", data, INDEX)
    content = layer(signed.FILES)
    web.says(f"{_REPOSITORY}/blobs/sha256:{sha256(content)}", content)
    reference = Reference.parse(f"registry.example/models/press@{digest}")
    with patch.object(oci, "Http", web.make):
        asyncio.run(_fetched(OciRegistries([]), reference, digest))


async def _fetched(registries: OciRegistries, reference: Reference, digest: str) -> None:
    manifest = await registries.image(reference)
    assert manifest.digest == digest
    files = await registries.model_files(reference, manifest)
    assert files == signed.model_files(), "another manifest gives other files for the same layer"
    await registries.evidence(reference, digest)


def _tensors() -> list[bytes]:
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "b": {"dtype": "I64", "shape": [1], "data_offsets": [16, 24]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)) + text + bytes(24)]


def _mlmodels() -> list[bytes]:
    return [
        b"artifact_path: model\nflavors:\n  sklearn:\n    pickled_model: model.pkl\n"
        b"    serialization_format: cloudpickle\n    code: null\n  python_function:\n"
        b"    loader_module: mlflow.sklearn\n    env: {conda: conda.yaml}\n"
        b"    python_version: 3.11.7\nmodel_size_bytes: 12\nmlflow_version: 3.17.2\n"
        b"utc_time_created: '2026-11-20 10:00:00.000000'\n",
        b"flavors: {}\n",
    ]


def _model_files() -> list[bytes]:
    """Pickles, archives and compressed streams, honest ones: hostile ones are made of them."""
    value = {"weights": [1.0, 2.0], "name": "press", "when": _moment()}
    pickled = [pickle.dumps(value, protocol) for protocol in (0, 2, 4, 5)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled[1])
        archive.writestr("archive/data/0", bytes(16))
    return [
        *pickled,
        packed.getvalue(),
        layer({"a.pkl": pickled[2]}),
        *(squeeze.compress(pickled[3]) for squeeze in (gzip, bz2, lzma)),
        *_tensors(),
        *_mlmodels(),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }".ljust(
            128, b" "
        )
        + bytes(16),
    ]


def _inspected(path: str, limit: int) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        """Feed a file in small pieces and in one: what it is does not depend on that."""
        found = []
        for size in (limit, max(1, len(data))):
            inspector = formats.inspect(path)
            for start in range(0, len(data), size):
                inspector.feed(data[start : start + size])
            found.append(inspector.close())
        assert found[0] == found[1], "the size of the pieces decides what a file is"
        return found[0]

    return read


_JSON = (Refused, StrictError)
TARGETS = {
    each.name: each
    for each in (
        Target("bundle", lambda: list(_bundles()), _bundle, (Refused,)),
        Target("approval", lambda: list(_approvals()), _approval, (Refused,)),
        Target("sshsig", _signatures, _sshsig, (SshsigRefused,), is_json=False),
        Target("statement", _statements, _statement, _JSON),
        Target("cyclonedx", _boms, _cyclonedx, _JSON),
        Target("trivy-report", _reports, _trivy, (BadInput, ValueError)),
        Target("mlmodel", _mlmodels, _inspected("MLmodel", 61), (), is_json=False),
        Target("safetensors", _tensors, _inspected("a.safetensors", 61), (), is_json=False),
        Target("model-file", _model_files, _inspected("a.bin", 61), (), is_json=False),
        Target("oci-manifest", _manifests, _manifest, (SourceError,)),
    )
}
