"""The only caller of the sigstore library: bundle bytes in, what was proven or why not out.

It also signs, for a person at a laptop who keeps no key; a service signs nothing here.

The library leaves things open that a gate must close: it never enforces the end of a trust
window, accepts times in the future and leaves of any lifetime, knows no keys without certificates,
raises far more than its own `VerificationError`, and does not say when something was signed. Here
every answer is a value and nothing is raised, so that no caller can mistake an exception it did
not expect for a pass.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from sigstore._internal.trust import KeyringPurpose
from sigstore.dsse import Statement
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig, TransparencyLogEntry
from sigstore.models import TrustedRoot as LibraryRoot
from sigstore.oidc import IdentityToken, Issuer
from sigstore.sign import SigningContext
from sigstore.verify import Verifier

from interlock.evidence import leaf, statement
from interlock.evidence.managed import Logged, ManagedKeys
from interlock.evidence.statement import Refused
from interlock.evidence.trustedroot import Parts, TrustedRoot
from interlock.policy import strict_json

MAX_BUNDLE_BYTES = 4 * 1024 * 1024
MAX_SKEW = timedelta(seconds=60)
"""How far ahead of our clock a log's or timestamp authority's clock may be."""
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_CONFIG_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_SIGNING_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json"


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement whose signature holds, and who signed it when."""

    identity: str
    """Of a certificate, or `key:sha256:…` where a key of policy's own signed."""
    issuer: str
    """Who vouches for the identity; empty for a key."""
    at: datetime
    """The signing time, from the log's promise or the timestamp authority: never a claim."""
    statement: str
    """SHA-256 of the signed payload."""
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
    """Verifies bundles against one trusted root and some keys (PEM), offline.

    Raises ValueError for a root or a key that cannot be used.
    """

    def __init__(self, trusted_root: bytes, keys: Iterable[str] = ()) -> None:
        try:
            self._root = TrustedRoot(trusted_root)
            _library_root(self._root.whole())
        except Exception as error:  # pydantic, cryptography, sigstore: each has its own family
            raise ValueError(f"trusted_root.json cannot be used: {_shown(error)}") from error
        self._keys = ManagedKeys(keys)
        self._roots: dict[str, LibraryRoot] = {}

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
        written: Any = strict_json.load(raw, limit=MAX_BUNDLE_BYTES)
        keyed = "publicKey" in written["verificationMaterial"]
        bundle = (_KeyBundle if keyed else Bundle).from_json(raw)
        _check_form(bundle, written)
        times = _times(bundle, written)
        if late := [at for at in times if at > now + MAX_SKEW]:
            expected = f"a signing time up to {now.isoformat()}"
            raise Refused("FutureTime", late[0].isoformat(), expected)
        return (self._by_key if keyed else self._by_certificate)(bundle, written, times)

    def _by_certificate(self, bundle: Bundle, written: Any, times: list[datetime]) -> Verified:
        """Verify what was signed with a certificate of one of the root's authorities."""
        said = leaf.read(bundle.signing_certificate)
        parts = self._witnesses(bundle, written, times)
        parts["ctlogs"] = self._root.vouching("ctlogs", [*times, said.logged], said.log)
        issued = [*times, said.begins]
        parts["certificateAuthorities"] = self._root.vouching("certificateAuthorities", issued)
        verifier = Verifier(trusted_root=self._library_root(parts))
        _check_stamps(verifier, bundle)
        kind, payload = verifier.verify_dsse(bundle, _ReadAlready())
        return _verified(kind, payload, times[0], (said.identity, said.issuer, said.claims))

    def _by_key(self, bundle: Bundle, written: Any, times: list[datetime]) -> Verified:
        """Verify what was signed with one of policy's keys."""
        trusted = self._library_root(self._witnesses(bundle, written, times))
        _check_stamps(_Witness(trusted), bundle)
        envelope = bundle._dsse_envelope
        assert envelope  # noqa: S101 - _check_form saw to it
        identity, key = self._keys.signer(envelope.pae(), envelope.signature)
        for entry in written["verificationMaterial"]["tlogEntries"]:
            bundle.log_entry._verify(trusted.rekor_keyring(KeyringPurpose.VERIFY))
            logged = Logged(entry["kindVersion"], base64.b64decode(entry["canonicalizedBody"]))
            logged.check(key, envelope.pae(), envelope._inner.payload, envelope.signature)
        inner = envelope._inner
        return _verified(inner.payload_type, inner.payload, times[0], (identity, "", {}))

    def _witnesses(self, bundle: Bundle, written: Any, times: list[datetime]) -> Parts:
        """Return the log and the timestamp authorities that may speak for this bundle."""
        parts: Parts = {}
        for entry in written["verificationMaterial"]["tlogEntries"]:
            log = base64.b64decode(entry["logId"]["keyId"])
            parts["tlogs"] = self._root.vouching("tlogs", times, log)
            _check_entry(entry, parts["tlogs"])
        if bundle.verification_material.timestamp_verification_data:
            parts["timestampAuthorities"] = self._root.vouching("timestampAuthorities", times)
        return parts

    def _library_root(self, parts: Parts) -> LibraryRoot:
        root = self._root.of(parts)
        key = json.dumps(root)
        if key not in self._roots:
            self._roots[key] = _library_root(root)
        return self._roots[key]


class KeylessError(Exception):
    """Nothing was signed. The message is a sentence."""


class Keyless:
    """Somebody whose identity a Sigstore instance vouches for, and who signs with it."""

    def __init__(self, trust_config: bytes, token: str = "") -> None:
        """`token` names the identity; without one a browser asks the instance's login page.

        Raises KeylessError.
        """
        try:
            self._config = ClientTrustConfig.from_json(trust_config.decode())
        except Exception as error:  # pydantic's, sigstore's or a parser's own
            raise KeylessError(
                f"this is no Sigstore client trust configuration: {_shown(error)}. Take the file "
                "from whoever runs your Sigstore."
            ) from None
        try:
            self._token = IdentityToken(token) if token else self._login()
        except Exception as error:  # the library's, or its HTTP library's
            raise KeylessError(
                f"the identity token cannot be used: {_shown(error)}. It must be for the audience "
                "`sigstore` and not expired; get a new one."
            ) from None

    @property
    def identity(self) -> str:
        """Whom the token names."""
        return self._token.identity

    @property
    def issuer(self) -> str:
        """Who vouches for that name."""
        return self._token.federated_issuer

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle of an in-toto statement. Raises KeylessError."""
        try:
            context = SigningContext.from_trust_config(self._config)
            with context.signer(self._token) as signer:
                return signer.sign_dsse(Statement(payload)).to_json().encode()
        except Exception as error:  # each of the services' clients has a family of its own
            raise KeylessError(
                f"Sigstore did not sign for {self.identity} ({self.issuer}): {_shown(error)}. Is "
                "the token from an issuer that this instance accepts, and still valid?"
            ) from None

    def _login(self) -> IdentityToken:
        return Issuer(self._config.signing_config.get_oidc_url()).identity_token()


def _library_root(root: Mapping[str, Any]) -> LibraryRoot:
    config = {
        "mediaType": _CONFIG_TYPE,
        "trustedRoot": root,
        "signingConfig": {"mediaType": _SIGNING_TYPE},
    }
    return ClientTrustConfig.from_json(json.dumps(config)).trusted_root


class _ReadAlready:
    """The library's policy on certificates: ours was asked before, on the same certificate."""

    def verify(self, cert: x509.Certificate) -> None:
        """Accept it."""


class _KeyBundle(Bundle):
    """A bundle without a certificate, which the library's own constructor refuses."""

    def _verify(self) -> None:
        entries = self._inner.verification_material.tlog_entries
        if len(entries) > 1:
            raise Refused("BadEntry", f"{len(entries)} log entries", "at most one log entry")
        if entries:
            self._log_entry = TransparencyLogEntry(entries[0])


class _Witness(Verifier):
    """The library's timestamp verification, for a root that needs no certificate authority."""

    def __init__(self, trusted_root: LibraryRoot) -> None:
        self._trusted_root = trusted_root


def _check_form(bundle: Bundle, written: Any) -> None:
    """Refuse what the library reads otherwise than it is written, and what says nothing.

    Its parser drops what is no base64, takes numbers with blanks and fields by two names. What is
    verified and what we read must be one document.
    """
    if written["mediaType"] != BUNDLE_TYPE:
        raise Refused("WrongMediaType", written["mediaType"], BUNDLE_TYPE)
    if "dsseEnvelope" not in written:
        raise Refused("NoStatement", "a signature over bytes", "a signed in-toto statement")
    if json.loads(bundle.to_json()) != written:
        got = "fields that are read otherwise than they are written"
        raise Refused("Ambiguous", got, "canonical base64, numbers and names of fields")


def _times(bundle: Bundle, written: Any) -> list[datetime]:
    """Return the moments that the bundle's success will prove, the one of the signature first.

    Of several timestamps one may be backdated, and any rule that picks one can be played.
    """
    entries = written["verificationMaterial"]["tlogEntries"]
    seconds = sum(int(entry.get("integratedTime", 0)) for entry in entries)
    promised = any("inclusionPromise" in entry for entry in entries)
    data = bundle.verification_material.timestamp_verification_data
    stamps = data.rfc3161_timestamps if data else []
    if bool(seconds) != promised or len(stamps) > 1 or not (seconds or stamps):
        got = f"integrated time {seconds}, promise {promised}, {len(stamps)} timestamps"
        raise Refused("NoTime", got, "a log time with its promise, or exactly one timestamp")
    logged = [datetime.fromtimestamp(seconds, tz=UTC)] if seconds else []
    return [*logged, *(stamp.tst_info.gen_time.astimezone(UTC) for stamp in stamps)]


def _check_stamps(verifier: Verifier, bundle: Bundle) -> None:
    """Refuse a timestamp that does not hold; the library goes on without it."""
    data = bundle.verification_material.timestamp_verification_data
    shown = len(data.rfc3161_timestamps) if data else 0
    if len(verifier._verify_timestamp_authority(bundle)) != shown:
        got = "a timestamp of something else or of somebody else"
        raise Refused("BadTimestamp", got, "a timestamp of this signature by a trusted authority")


def _check_entry(entry: Mapping[str, Any], logs: list[Mapping[str, Any]]) -> None:
    """Refuse a proof whose signed checkpoint is of another log or another tree (C2SP tlog)."""
    strict_json.load(base64.b64decode(entry["canonicalizedBody"]), limit=MAX_BUNDLE_BYTES)
    proof = entry["inclusionProof"]
    origin, size, *_ = proof["checkpoint"]["envelope"].split("\n")
    names = {urlsplit(log["baseUrl"]).netloc for log in logs}
    if origin.partition(" ")[0] not in names or size != proof["treeSize"]:
        got, expected = f"{origin[:80]!r}, size {size[:20]}", f"{sorted(names)}"
        raise Refused("BadCheckpoint", got, f"one of {expected}, size {proof['treeSize']}")


def _verified(
    kind: str, payload: bytes, at: datetime, signer: tuple[str, str, Mapping[str, str]]
) -> Verified:
    said = statement.parse(kind, payload)
    identity, issuer, claims = signer
    return Verified(
        identity=identity,
        issuer=issuer,
        at=at,
        statement=hashlib.sha256(payload).hexdigest(),
        predicate_type=said.predicate_type,
        subjects=said.subjects,
        predicate=said.predicate,
        extensions=claims,
    )


def _shown(error: Exception) -> str:
    return "".join(c if c.isprintable() else " " for c in str(error))[:300]
