"""One Sigstore instance: its authorities, what they sign, and how they are kept in a folder."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography import x509

from interlock_sandbox.pki import write_secret
from interlock_sandbox.sigstore import trust
from interlock_sandbox.sigstore.bundle import Authorities, LogVersion, Recipe, build
from interlock_sandbox.sigstore.certificates import Authority, new_authority, pem, timestamping
from interlock_sandbox.sigstore.keys import Key
from interlock_sandbox.sigstore.log import Log
from interlock_sandbox.sigstore.timestamp import TimestampAuthority

_FILE = "instance.json"
_BACK = dt.timedelta(days=2 * 365)  # signatures of the past can be made, too
_AHEAD = dt.timedelta(days=10 * 365)
_HONEST = Recipe()


@dataclass(frozen=True, slots=True)
class Instance:
    """A Sigstore of one's own. `name` is the domain below which its services have their names."""

    name: str
    authorities: Authorities
    oidc: Key

    @classmethod
    def create(
        cls,
        name: str = "sigstore.example",
        *,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        intermediate_end: dt.datetime | None = None,
    ) -> "Instance":
        """A new instance; its certificates are valid from `start` (two years ago) to `end`."""
        now = dt.datetime.now(dt.UTC)
        start, end = start or now - _BACK, end or now + _AHEAD
        ca, root_key = new_authority(name, start, end, intermediate_end or end)
        stamper = Key.generate()
        tsa_certificate = timestamping(name, ca.root, root_key, stamper)
        return cls(
            name,
            Authorities(
                ca=ca,
                ct=Key.generate(),
                log=Log(Key.generate(), f"rekor.{name}"),
                tsa=TimestampAuthority(stamper, tsa_certificate, ca.root),
            ),
            oidc=Key.generate(),
        )

    def save(self, folder: Path) -> None:
        """Writes keys and certificates; the log's entries stay in memory."""
        own = self.authorities
        keys = {"ca": own.ca.key, "ct": own.ct, "log": own.log.key, "tsa": own.tsa.key}
        certificates = {
            "root": own.ca.root,
            "intermediate": own.ca.intermediate,
            "tsa": own.tsa.certificate,
        }
        document = {
            "name": self.name,
            "keys": {role: key.pem() for role, key in (keys | {"oidc": self.oidc}).items()},
            "certificates": {role: pem(one) for role, one in certificates.items()},
        }
        write_secret(folder / _FILE, json.dumps(document).encode())

    @classmethod
    def load(cls, folder: Path) -> "Instance":
        """The instance that was saved there, with an empty log."""
        document = json.loads((folder / _FILE).read_bytes())
        name = document["name"]
        key = {role: Key.from_pem(text) for role, text in document["keys"].items()}
        certificate = {
            role: x509.load_pem_x509_certificate(text.encode())
            for role, text in document["certificates"].items()
        }
        root = certificate["root"]
        authorities = Authorities(
            ca=Authority(key["ca"], certificate["intermediate"], root),
            ct=key["ct"],
            log=Log(key["log"], f"rekor.{name}"),
            tsa=TimestampAuthority(key["tsa"], certificate["tsa"], root),
        )
        return cls(name, authorities, key["oidc"])

    @classmethod
    def load_or_create(cls, folder: Path) -> "Instance":
        """The instance saved in `folder`, or a new one that is saved there first."""
        if not (folder / _FILE).exists():
            cls.create().save(folder)
        return cls.load(folder)

    def trusted_root(self, windows: Mapping[trust.Role, trust.Window] | None = None) -> bytes:
        """The trusted_root.json of this instance, canonical; `windows` retire authorities."""
        return trust.encode(self._root(windows or {}))

    def trust_config(self, url: str, version: LogVersion = LogVersion.V1) -> bytes:
        """The client's trust configuration for signing at the service at `url`."""
        start = self.authorities.ca.root.not_valid_before_utc
        return trust.encode(trust.trust_config(self._root({}), url, version, start))

    def bundle(self, recipe: Recipe) -> bytes:
        """A Sigstore bundle as JSON, made after `recipe`."""
        return build(recipe, self.authorities)

    def sign_statement(self, payload: bytes, recipe: Recipe = _HONEST) -> bytes:
        """A bundle over an in-toto statement (or any other DSSE payload)."""
        return self.bundle(replace(recipe, payload=payload))

    def sign_blob(self, data: bytes, recipe: Recipe = _HONEST) -> bytes:
        """A bundle over a file's bytes."""
        return self.bundle(replace(recipe, artifact_digest=hashlib.sha256(data).digest()))

    def _root(self, windows: Mapping[trust.Role, trust.Window]) -> dict[str, Any]:
        return trust.trusted_root(self.name, self.authorities, windows)
