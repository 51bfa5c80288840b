"""The local Sigstore signs what the unmodified client accepts, and lies exactly as it is told."""

import base64
import datetime as dt
import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from rfc3161_client import decode_timestamp_response
from sigstore.errors import Error
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy
from sigstore_models.trustroot import v1 as trustroot

from interlock_sandbox.sigstore import Instance, LeafKey, LogVersion, Recipe, Sct, Window, statement
from interlock_sandbox.sigstore.log import Body

TIME = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
START = TIME - 400 * DAY
END = TIME + 4000 * DAY
TRAINER, ISSUER = Recipe().identity, Recipe().issuer
PAYLOAD = statement("https://example.com/test/v1", {"fine": True}, {"model-tree": "ab" * 32})
BLOB = b"weights"
ARC = "1.3.6.1.4.1.57264.1"
RETIRED = {role: Window(START, TIME - DAY) for role in ("ca", "log", "ct")}

OWN = Instance.create(start=START, end=END)
FOREIGN = Instance.create("elsewhere.example", start=START, end=END)
THEIRS = FOREIGN.authorities
UNKNOWN_ID = b"\x07" * 32


def verifier(trusted_root: bytes) -> Verifier:
    inner = trustroot.TrustedRoot.from_json(trusted_root)
    return Verifier(trusted_root=TrustedRoot(inner))


VERIFIER = verifier(OWN.trusted_root())


def signer(identity: str = TRAINER, issuer: str = ISSUER) -> policy.VerificationPolicy:
    return policy.AllOf(
        [policy.Identity(identity=identity, issuer=issuer), policy.OIDCIssuerV2(issuer)]
    )


def make(**overrides: Any) -> bytes:
    recipe = Recipe(**{"payload": PAYLOAD, "time": TIME, **overrides})
    return OWN.bundle(recipe)


def verify(bundle: bytes, by: Verifier = VERIFIER, who: Any = None) -> None:
    parsed = Bundle.from_json(bundle)
    if b"dsseEnvelope" in bundle:
        assert by.verify_dsse(parsed, who or signer())[1] == PAYLOAD
    else:
        by.verify_artifact(BLOB, parsed, who or signer())


def leaf(bundle: dict[str, Any]) -> x509.Certificate:
    raw = bundle["verificationMaterial"]["certificate"]["rawBytes"]
    return x509.load_der_x509_certificate(base64.b64decode(raw))


def leaf_key(bundle: dict[str, Any]) -> str:
    key = leaf(bundle).public_key()
    return key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__


def scts(bundle: dict[str, Any]) -> list[bytes]:
    values = [one.value for one in leaf(bundle).extensions]
    lists = [v for v in values if isinstance(v, x509.PrecertificateSignedCertificateTimestamps)]
    return [sct.log_id for one in lists for sct in one]


def entry(bundle: dict[str, Any]) -> dict[str, Any]:
    return dict(bundle["verificationMaterial"]["tlogEntries"][0])


def log_id(bundle: dict[str, Any]) -> bytes:
    return base64.b64decode(entry(bundle)["logId"]["keyId"])


def integrated(bundle: dict[str, Any]) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(entry(bundle)["integratedTime"]), dt.UTC)


def checkpoint(bundle: dict[str, Any]) -> list[str]:
    return str(entry(bundle)["inclusionProof"]["checkpoint"]["envelope"]).split("\n")


def extension(bundle: dict[str, Any], arc: int) -> bytes:
    oid = x509.ObjectIdentifier(f"{ARC}.{arc}")
    value = leaf(bundle).extensions.get_extension_for_oid(oid).value
    assert isinstance(value, x509.UnrecognizedExtension)
    return value.value


def stamps(bundle: dict[str, Any]) -> list[dt.datetime]:
    data = bundle["verificationMaterial"].get("timestampVerificationData", {})
    raw = [base64.b64decode(one["signedTimestamp"]) for one in data.get("rfc3161Timestamps", [])]
    return [decode_timestamp_response(one).tst_info.gen_time for one in raw]


@pytest.mark.parametrize("version", LogVersion)
@pytest.mark.parametrize("key", [LeafKey.P256, LeafKey.P384])
def test_the_unmodified_client_verifies_statement_and_blob(
    version: LogVersion, key: LeafKey
) -> None:
    recipe = Recipe(log_version=version, key=key, time=TIME)
    verify(OWN.sign_statement(PAYLOAD, recipe))
    verify(OWN.sign_blob(BLOB, recipe))


def test_signs_now_by_default() -> None:
    now = Instance.create()
    verify(now.sign_statement(PAYLOAD), verifier(now.trusted_root()))


def test_an_email_address_is_an_identity() -> None:
    verify(make(identity="trainer@ml.example"), who=signer("trainer@ml.example"))


@pytest.mark.parametrize(
    "who",
    [signer(identity="https://ci.example/scanner"), signer(issuer="https://other.example")],
)
def test_the_client_refuses_another_identity_or_issuer(who: policy.VerificationPolicy) -> None:
    with pytest.raises(Error):
        verify(make(), who=who)


def drop_envelope(bundle: dict[str, Any]) -> None:
    del bundle["dsseEnvelope"]


DIGEST = hashlib.sha256(BLOB).digest()
OTHER = hashlib.sha256(b"other").digest()
UNRELATED = Body("dsse", "0.0.1", b'{"apiVersion":"0.0.1","kind":"dsse","spec":{}}')
V2 = LogVersion.V2

# What is overridden, what the bundle then says (and an honest one does not), and what the
# unmodified client answers; None where it accepts. What it should not have accepted is correctly
# signed and therefore left for a careful verifier to refuse.
OVERRIDES: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], bool], str | None]] = {
    "payload type": (
        {"payload_type": "text/plain"},
        lambda b: b["dsseEnvelope"]["payloadType"] == "text/plain",
        None,
    ),
    "no message digest": (
        {"payload": None, "artifact_digest": DIGEST, "message_digest": False},
        lambda b: list(b.get("messageSignature", [])) == ["signature"],
        None,
    ),
    "another artifact": (
        {"payload": None, "artifact_digest": OTHER},
        lambda b: "messageDigest" in b.get("messageSignature", {}),
        "message digest mismatch",
    ),
    "two issuers": (
        {"issuer_v2": "https://evil.example"},
        lambda b: extension(b, 1) == ISSUER.encode() and b"evil" in extension(b, 8),
        "OIDCIssuerV2",
    ),
    "leaf of ten years": (
        {"lifetime": 3650 * DAY},
        lambda b: leaf(b).not_valid_after_utc == TIME + 3650 * DAY,
        None,
    ),
    "P-384 leaf": ({"key": LeafKey.P384}, lambda b: leaf_key(b) == "secp384r1", None),
    "Ed25519 leaf": (
        {"key": LeafKey.ED25519},
        lambda b: leaf_key(b) == "Ed25519PublicKey",
        "verify",
    ),
    "RSA leaf": ({"key": LeafKey.RSA2048}, lambda b: leaf_key(b) == "RSAPublicKey", "verify"),
    "no SCT": ({"sct": Sct.ABSENT}, lambda b: scts(b) == [], "does not contain a signed cert"),
    "SCT by a wrong key": (
        {"sct": Sct.WRONG_KEY, "issuer": "https://sct.example"},
        lambda b: scts(b) == [OWN.authorities.ct.id] and extension(b, 1) == b"https://sct.example",
        "SCT verify failed",
    ),
    "SCT names an unknown log": (
        {"sct_log_id": UNKNOWN_ID},
        lambda b: scts(b) == [UNKNOWN_ID],
        None,
    ),
    "integrated a month later": (
        {"lifetime": 60 * DAY, "integrated_time": TIME + 30 * DAY},
        lambda b: integrated(b) == TIME + 30 * DAY,
        None,
    ),
    "integrated after the leaf expired": (
        {"integrated_time": TIME + DAY},
        lambda b: integrated(b) == TIME + DAY,
        "certificate chain",
    ),
    "SET stripped": (
        {"promise": False},
        lambda b: "inclusionPromise" not in entry(b) and integrated(b) == TIME,
        "must contain an inclusion promise",
    ),
    "v1 with a timestamp in place of the SET": (
        {"promise": False, "timestamps": (TIME,)},
        lambda b: "inclusionPromise" not in entry(b) and stamps(b) == [TIME],
        None,
    ),
    "log index": ({"log_index": 77}, lambda b: entry(b)["logIndex"] == "77", None),
    "unknown log id": ({"log_id": UNKNOWN_ID}, lambda b: log_id(b) == UNKNOWN_ID, None),
    "unrelated entry": (
        {"entry": UNRELATED},
        lambda b: base64.b64decode(entry(b)["canonicalizedBody"]) == UNRELATED.content,
        "invalid DSSE log entry",
    ),
    "checkpoint of another origin": (
        {"checkpoint_origin": "evil.example"},
        lambda b: checkpoint(b)[0] == "evil.example" and "— evil.example " in checkpoint(b)[4],
        None,
    ),
    "checkpoint of another size": (
        {"checkpoint_size": 9999},
        lambda b: checkpoint(b)[1] == "9999",
        None,
    ),
    "checkpoint of another root": (
        {"checkpoint_root": UNKNOWN_ID},
        lambda b: base64.b64decode(checkpoint(b)[2]) == UNKNOWN_ID,
        "invalid root hash signature",
    ),
    "v2 without a time": (
        {"log_version": V2, "timestamps": ()},
        lambda b: "integratedTime" not in entry(b) and stamps(b) == [],
        "inclusion promise or signed timestamp",
    ),
    "v2 timestamp after the leaf expired": (
        {"log_version": V2, "timestamps": (TIME + DAY,)},
        lambda b: stamps(b) == [TIME + DAY],
        "certificate chain",
    ),
    "one of two timestamps is backdated": (
        {"log_version": V2, "timestamps": (TIME, TIME - DAY)},
        lambda b: stamps(b) == [TIME, TIME - DAY],
        "certificate chain",
    ),
    "foreign timestamp authority": (
        {"log_version": V2, "tsa": THEIRS.tsa},
        lambda b: stamps(b) == [TIME],
        "not enough sources of verified time",
    ),
    "foreign certificate authority": (
        {"ca": THEIRS.ca},
        lambda b: leaf(b).issuer == THEIRS.ca.intermediate.subject,
        "certificate chain",
    ),
    "foreign CT log": ({"ct": THEIRS.ct}, lambda b: scts(b) == [THEIRS.ct.id], "SCT verify"),
    "foreign log": (
        {"log": THEIRS.log},
        lambda b: log_id(b) == THEIRS.log.key.id,
        "checkpoint: invalid signature",
    ),
    "two signatures": (
        {"signatures": 2},
        lambda b: len(b["dsseEnvelope"]["signatures"]) == 2,
        "exactly one signature",
    ),
    "no signature": (
        {"signatures": 0},
        lambda b: b["dsseEnvelope"]["signatures"] == [],
        "exactly one signature",
    ),
    "two log entries": (
        {"tlog_entries": 2},
        lambda b: len(b["verificationMaterial"]["tlogEntries"]) == 2,
        "exactly one log entry",
    ),
    "no log entry": (
        {"tlog_entries": 0},
        lambda b: b["verificationMaterial"]["tlogEntries"] == [],
        "exactly one log entry",
    ),
    "old media type": (
        {"media_type": "application/vnd.dev.sigstore.bundle+json;version=0.1"},
        lambda b: b["mediaType"].endswith("version=0.1"),
        "expected certificate chain",
    ),
    "changed after signing": (
        {"mutate": drop_envelope},
        lambda b: "dsseEnvelope" not in b,
        "failed to load bundle",
    ),
}


@pytest.mark.parametrize("case", OVERRIDES)
def test_an_override_does_what_it_says(case: str) -> None:
    overrides, says, refusal = OVERRIDES[case]
    bundle = make(**overrides)
    assert says(json.loads(bundle))
    assert not says(json.loads(make()))
    if refusal is None:
        verify(bundle)
    else:
        with pytest.raises((Error, TypeError, AttributeError), match=refusal):
            verify(bundle)


def test_fulcio_extensions_are_in_the_certificate_and_the_client_reads_them() -> None:
    repository = "https://git.example/line-4/models"
    texts = {"source_repository_uri": repository, "build_trigger": "push" * 40}
    bundle = make(extensions=texts)
    verify(bundle, who=policy.OIDCSourceRepositoryURI(repository))
    verify(bundle, who=policy.OIDCBuildTrigger("push" * 40))
    certificate = json.loads(bundle)
    assert extension(certificate, 1) == ISSUER.encode()
    assert extension(certificate, 8) == b"\x0c" + bytes([len(ISSUER)]) + ISSUER.encode()


@pytest.mark.parametrize("role", ["ca", "log", "ct"])
def test_a_window_retires_an_authority_though_the_client_does_not_look(role: str) -> None:
    root = OWN.trusted_root({role: RETIRED[role]})  # type: ignore[dict-item]
    assert json.dumps(json.loads(root)).count((TIME - DAY).strftime('"end": "%Y-%m-%dT')) == 1
    verify(make(), verifier(root))


def test_the_client_obeys_the_window_of_a_timestamp_authority() -> None:
    root = OWN.trusted_root({"tsa": Window(START, TIME - DAY)})
    with pytest.raises(Error):
        verify(make(log_version=LogVersion.V2), verifier(root))


def test_an_intermediate_can_expire_before_its_leaf() -> None:
    expired = Instance.create(start=START, end=END, intermediate_end=TIME - DAY)
    bundle = expired.sign_statement(PAYLOAD, Recipe(time=TIME))
    with pytest.raises(Error):
        verify(bundle, verifier(expired.trusted_root()))


def test_a_recipe_takes_one_kind_of_content() -> None:
    digest = hashlib.sha256(BLOB).digest()
    for content in (Recipe(), Recipe(payload=PAYLOAD, artifact_digest=digest)):
        with pytest.raises(ValueError, match="either a payload or an artifact_digest"):
            OWN.bundle(content)
    with pytest.raises(ValueError, match="Ed25519 cannot sign a digest"):
        OWN.bundle(Recipe(artifact_digest=digest, key=LeafKey.ED25519))


def test_a_saved_instance_is_the_same_and_its_keys_are_private(tmp_path: Path) -> None:
    OWN.save(tmp_path)
    loaded = Instance.load_or_create(tmp_path)
    assert loaded.trusted_root() == OWN.trusted_root()
    verify(loaded.sign_statement(PAYLOAD, Recipe(time=TIME, log_version=LogVersion.V2)))
    assert loaded.oidc.spki == OWN.oidc.spki
    assert stat.S_IMODE((tmp_path / "instance.json").stat().st_mode) == 0o600


def test_entries_late_in_a_log_are_proven() -> None:
    crowded = Instance.create(start=START, end=END)
    bundles = [crowded.sign_statement(PAYLOAD, Recipe(time=TIME)) for _ in range(21)]
    assert entry(json.loads(bundles[-1]))["inclusionProof"]["treeSize"] == "21"
    verify(bundles[-1], verifier(crowded.trusted_root()))
