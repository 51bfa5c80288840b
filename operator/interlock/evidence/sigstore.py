"""The only caller of the sigstore library: bundle bytes in, what was proven or why not out.

The library leaves things open that a gate must close: it never enforces the end of a trust
window, accepts times in the future and leaves of any lifetime, raises far more than its own
`VerificationError`, and does not say when something was signed. Here every answer is a value and
nothing is raised, so that no caller can mistake an exception it did not expect for a pass.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier

from interlock.evidence import statement
from interlock.evidence.statement import Refused
from interlock.policy import strict_json

MAX_BUNDLE_BYTES = 4 * 1024 * 1024
MAX_SKEW = timedelta(seconds=60)
"""How far ahead of our clock a log's or timestamp authority's clock may be."""
MAX_LEAF_LIFETIME = timedelta(hours=1)
"""Fulcio issues for ten minutes; a leaf that lives for years lets a stolen key sign for years."""

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_CONFIG_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_SIGNING_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
_NEEDED = ("certificateAuthorities", "ctlogs", "tlogs")
_FULCIO = "1.3.6.1.4.1.57264.1."
_ISSUER = f"{_FULCIO}8"
_CLAIMS = {
    f"{_FULCIO}{number}": name
    for number, name in {
        9: "buildSignerURI",
        10: "buildSignerDigest",
        11: "runnerEnvironment",
        12: "sourceRepositoryURI",
        13: "sourceRepositoryDigest",
        14: "sourceRepositoryRef",
        18: "buildConfigURI",
        19: "buildConfigDigest",
        20: "buildTrigger",
        21: "runInvocationURI",
    }.items()
}
"""Fulcio's certificate extensions (fulcio docs/oid-info.md), by the names given there."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement whose signature holds, and who signed it when."""

    identity: str
    issuer: str
    at: datetime
    """The signing time, from the log's promise or the timestamp authority: never a claim."""
    predicate_type: str
    subjects: tuple[tuple[str, str], ...]
    predicate: Mapping[str, Any]
    extensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A bundle that proves nothing, and why."""

    code: str
    got: str
    expected: str


class SigstoreVerifier:
    """Verifies bundles against one trusted root, offline. Raises ValueError for a bad root."""

    def __init__(self, trusted_root: bytes) -> None:
        try:
            root: Any = strict_json.load(trusted_root, limit=MAX_BUNDLE_BYTES)
            _build(root)
        except Exception as error:  # pydantic, cryptography, sigstore: each has its own family
            raise ValueError(f"trusted_root.json cannot be used: {_shown(error)}") from error
        self._root: Mapping[str, Any] = root
        self._verifiers: dict[str, Verifier] = {}

    def verify(self, bundle: bytes, now: datetime) -> Verified | Refusal:
        """Return what `bundle` proves, or why it proves nothing. Never raises."""
        try:
            return self._verify(bundle, now)
        except Refused as refused:
            return Refusal(refused.code, refused.got, refused.expected)
        except VerificationError as error:
            return Refusal("BadSignature", _shown(error), "a bundle that the trusted root verifies")
        except Exception as error:  # the library raises what its parsers raise: all of it is a no
            got = f"{type(error).__name__}: {_shown(error)}"
            return Refusal("Malformed", got, "a well-formed Sigstore bundle v0.3")

    def _verify(self, raw: bytes, now: datetime) -> Verified:
        if len(raw) > MAX_BUNDLE_BYTES:
            raise Refused("TooLarge", f"{len(raw)} bytes", f"at most {MAX_BUNDLE_BYTES} bytes")
        strict_json.load(raw, limit=MAX_BUNDLE_BYTES)
        bundle = Bundle.from_json(raw)
        understood = json.loads(bundle.to_json())
        at = _time(bundle, understood)
        if at > now + MAX_SKEW:
            raise Refused("FutureTime", at.isoformat(), f"a signing time up to {now.isoformat()}")
        profile = _Profile()
        kind, payload = self._verifier_at(at).verify_dsse(bundle, profile)
        _check_checkpoint(understood["verificationMaterial"]["tlogEntries"][0], self._root)
        said = statement.parse(kind, payload)
        return Verified(
            identity=profile.identity,
            issuer=profile.issuer,
            at=at,
            predicate_type=said.predicate_type,
            subjects=said.subjects,
            predicate=said.predicate,
            extensions=profile.claims,
        )

    def _verifier_at(self, at: datetime) -> Verifier:
        """Return a verifier that knows only what the trusted root vouches for at that moment.

        The library ignores the end of `validFor` (sigstore_trustroot.proto: clients MUST check
        it), so that a retired key would sign for ever. `at` is not proven yet, but the verifier
        that is picked by it accepts the bundle only if it is.
        """
        root = _within(self._root, at)
        if missing := [key for key in _NEEDED if not root[key]]:
            expected = "a time for which the trusted root names each of them"
            raise Refused("OutsideTrust", f"{at.isoformat()}: no {missing[0]}", expected)
        key = json.dumps(root)
        if key not in self._verifiers:
            self._verifiers[key] = _build(root)
        return self._verifiers[key]


def _build(root: Mapping[str, Any]) -> Verifier:
    config = {
        "mediaType": _CONFIG_TYPE,
        "trustedRoot": root,
        "signingConfig": {"mediaType": _SIGNING_TYPE},
    }
    return Verifier(trusted_root=ClientTrustConfig.from_json(json.dumps(config)).trusted_root)


class _Profile:
    """What a leaf certificate must look like; keeps what it says until the bundle is proven."""

    identity = ""
    issuer = ""
    claims: Mapping[str, str] = {}

    def verify(self, cert: x509.Certificate) -> None:
        """Read the certificate, refusing one that Fulcio would not have issued."""
        key = cert.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise Refused("BadCertificate", type(key).__name__, "an elliptic curve key")
        lifetime = cert.not_valid_after_utc - cert.not_valid_before_utc
        if lifetime > MAX_LEAF_LIFETIME:
            raise Refused("LongLeaf", f"a lifetime of {lifetime}", f"at most {MAX_LEAF_LIFETIME}")
        claims = {
            extension.oid.dotted_string: _utf8(extension.value.value)
            for extension in cert.extensions
            if isinstance(extension.value, x509.UnrecognizedExtension)
            and extension.oid.dotted_string in (_ISSUER, *_CLAIMS)
        }
        if not claims.get(_ISSUER):
            raise Refused("NoIssuer", "no issuer extension", f"an issuer in extension {_ISSUER}")
        self.identity = _identity(cert)
        self.issuer = claims.pop(_ISSUER)
        self.claims = {_CLAIMS[oid]: value for oid, value in sorted(claims.items())}


def _identity(cert: x509.Certificate) -> str:
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [
        name.value
        for name in names
        if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier)
    ]
    if len(names) != 1 or len(found) != 1:
        raise Refused("NoIdentity", f"{len(names)} subject names", "exactly one e-mail or URI")
    return found[0]


def _utf8(der: bytes) -> str:
    """Return the text of a DER UTF8String (ITU-T X.690); anything else raises."""
    long_form = {0x81: 1, 0x82: 2}
    width = long_form.get(der[1], 0)
    size = int.from_bytes(der[2 : 2 + width], "big") if width else der[1]
    text = der[2 + width :]
    if der[0] != 0x0C or len(text) != size or (width == 0 and size > 0x7F):
        raise Refused("BadCertificate", der[:32].hex(), "a DER UTF8String in each extension")
    return text.decode()


def _time(bundle: Bundle, understood: Mapping[str, Any]) -> datetime:
    """Return the one time that the bundle's success will prove.

    It is read from what the library understood, not from the bytes, so that two parsers cannot
    disagree. With one source of time, that source is the one that was verified; where both are
    there, the log's promise is always verified.
    """
    if understood["mediaType"] != BUNDLE_TYPE:
        raise Refused("WrongMediaType", understood["mediaType"], BUNDLE_TYPE)
    entry = understood["verificationMaterial"]["tlogEntries"][0]
    seconds, promised = int(entry.get("integratedTime", 0)), "inclusionPromise" in entry
    data = bundle.verification_material.timestamp_verification_data
    stamps = data.rfc3161_timestamps if data else []
    if bool(seconds) != promised or len(stamps) > 1 or not (seconds or stamps):
        got = f"integrated time {seconds}, promise {promised}, {len(stamps)} timestamps"
        raise Refused("NoTime", got, "a log time with its promise, or exactly one timestamp")
    if seconds:
        return datetime.fromtimestamp(seconds, tz=UTC)
    moment: datetime = stamps[0].tst_info.gen_time
    return moment.astimezone(UTC)


def _check_checkpoint(entry: Mapping[str, Any], root: Mapping[str, Any]) -> None:
    """Refuse a proof whose signed checkpoint is of another log or another tree (C2SP tlog)."""
    proof = entry["inclusionProof"]
    origin, size, *_ = proof["checkpoint"]["envelope"].split("\n")
    logs = {urlsplit(log["baseUrl"]).netloc for log in root["tlogs"]}
    if origin.partition(" ")[0] not in logs or size != proof["treeSize"]:
        got, expected = f"{origin[:80]!r}, size {size[:20]}", f"{sorted(logs)}"
        raise Refused("BadCheckpoint", got, f"one of {expected}, size {proof['treeSize']}")


def _within(root: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    def vouched(entry: Mapping[str, Any]) -> bool:
        window = entry["publicKey"]["validFor"] if "publicKey" in entry else entry["validFor"]
        return _moment(window["start"]) <= at and (
            "end" not in window or at <= _moment(window["end"])
        )

    return {
        key: [entry for entry in value if vouched(entry)] if isinstance(value, list) else value
        for key, value in root.items()
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _shown(error: Exception) -> str:
    return "".join(c if c.isprintable() else " " for c in str(error))[:300]
