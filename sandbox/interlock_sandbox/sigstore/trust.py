"""What clients are told to trust: trusted root and client trust configuration, as JSON."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import rfc8785
from cryptography import x509
from cryptography.x509.oid import NameOID

from interlock_sandbox.sigstore.bundle import Authorities, LogVersion
from interlock_sandbox.sigstore.certificates import der
from interlock_sandbox.sigstore.keys import Key, b64

Role = Literal["ca", "log", "ct", "tsa"]

_TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_TRUST_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_SIGNING_CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"


@dataclass(frozen=True, slots=True)
class Window:
    """When an authority may be trusted; no end means still."""

    start: dt.datetime
    end: dt.datetime | None = None

    def json(self) -> dict[str, str]:
        """As protobuf's TimeRange."""
        ends = {"start": self.start, "end": self.end}
        return {
            name: time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
            for name, time in ends.items()
            if time
        }


def trusted_root(name: str, own: Authorities, windows: Mapping[Role, Window]) -> dict[str, Any]:
    """The trusted root of one instance; `windows` end-date (retire) its authorities."""
    default = Window(own.ca.root.not_valid_before_utc)
    validity = {role: windows.get(role, default) for role in ("ca", "log", "ct", "tsa")}
    chain, stamping = [own.ca.intermediate, own.ca.root], [own.tsa.certificate, own.tsa.root]
    return {
        "mediaType": _TRUSTED_ROOT,
        "tlogs": [_log(f"https://{own.log.origin}", own.log.key, validity["log"])],
        "certificateAuthorities": [_authority(f"https://fulcio.{name}", chain, validity["ca"])],
        "ctlogs": [_log(f"https://ct.{name}", own.ct, validity["ct"])],
        "timestampAuthorities": [_authority(f"https://tsa.{name}", stamping, validity["tsa"])],
    }


def trust_config(
    root: Mapping[str, Any], url: str, version: LogVersion, start: dt.datetime
) -> dict[str, Any]:
    """What a client needs to sign at the service at `url` and to verify what it signed."""
    rekor = 1 if version is LogVersion.V1 else 2
    stamps = [_service(f"{url}/api/v1/timestamp", 1, start)] if rekor == 2 else []
    signing = {
        "mediaType": _SIGNING_CONFIG,
        "caUrls": [_service(url, 1, start)],
        "oidcUrls": [_service(url, 1, start)],
        "rekorTlogUrls": [_service(url, rekor, start)],
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": stamps,
        "tsaConfig": {"selector": "ANY"},
    }
    return {"mediaType": _TRUST_CONFIG, "trustedRoot": root, "signingConfig": signing}


def encode(document: Mapping[str, Any]) -> bytes:
    """Canonical JSON, so that a pinned digest of it stays the same."""
    data: bytes = rfc8785.dumps(dict(document))
    return data


def _log(url: str, key: Key, window: Window) -> dict[str, Any]:
    public_key = {
        "rawBytes": b64(key.spki),
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "validFor": window.json(),
    }
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": public_key,
        "logId": {"keyId": b64(key.id)},
    }


def _authority(url: str, chain: list[x509.Certificate], window: Window) -> dict[str, Any]:
    subject = chain[0].subject
    return {
        "subject": {
            "organization": subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value,
            "commonName": subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value,
        },
        "uri": url,
        "certChain": {"certificates": [{"rawBytes": b64(der(one))} for one in chain]},
        "validFor": window.json(),
    }


def _service(url: str, version: int, start: dt.datetime) -> dict[str, Any]:
    valid = Window(start).json()
    return {"url": url, "majorApiVersion": version, "validFor": valid, "operator": "sandbox"}
