"""A policy that works, and how to bend it: a test says what is special about its own, no more."""

import json
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interlock.policy.model import Policy
from interlock.policy.parse import parse
from interlock.policy.queries import ssh_fingerprint

ISSUER = "https://oidc.example"
TRAINER = "trainer@line-4.example"
BUILDER = "builder@line-4.example"
SCANNER = "scanner@security.example"
EVALUATOR = "evaluator@red-team.example"
SCANNER_URI = "https://scanner.example/trivy"

FORGE = "https://forge.example"
BRIDGE = "forge-bridge"
"""Whose key the bridge to FORGE has in the policy that `known_everywhere` makes."""

NAMESPACE = "line-4"
REPOSITORY = "https://git.example/line-4/agents.git"
APPROVALS = "https://git.example/line-4/approvals.git"

_JSON = {"trusted_root": "trusted_root.json", "vulnerability_feed": "vulnerability-feed.json"}

ROLES = {
    "quality-1": ["quality"],
    "quality-2": ["quality"],
    "ot-safety-1": ["ot-safety"],
    "sre-1": ["sre"],
    "developer-1": ["developer"],
}
"""Persons of the good policy. Each has one key, `ssh_key`, and one address, `email`."""

GATES = [
    "grants",
    "pins",
    "model-signature",
    "image-signature",
    "vulnerability-scan",
    "change-approval",
    "revocation",
]


def ssh_key(person: str) -> Ed25519PrivateKey:
    """The private key of a person, the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(person.encode().ljust(32, b"."))


def ssh_line(person: str) -> str:
    """The public key line of a person."""
    raw = ssh_key(person).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return f"{raw.decode()} {person}"


def email(person: str) -> str:
    """The address under which a person commits."""
    return f"{person}@line-4.example"


def documents() -> dict[str, Any]:
    """The targets as plain values, keyed by file name without ending; a fresh copy each time."""
    return {
        "namespaces": {
            "namespaces": {
                NAMESPACE: {
                    "environment": "production",
                    "minimumTier": "high",
                    "repositories": [{"url": REPOSITORY, "path": "agents", "approvals": APPROVALS}],
                    "grants": {
                        "models": [{"name": "press-*"}, {"name": "line-vision"}],
                        "images": ["registry.example/agents/*"],
                        "artifacts": ["registry.example/models/*"],
                        "knowledge": ["manuals"],
                        "tools": ["https://mes.line-4.svc:8443/*", "https://mes.line-4.svc:8443"],
                        "metrics": ["reject-rate"],
                    },
                },
                "lab": {
                    "environment": "test",
                    "grants": {"images": ["registry.example/lab/*"]},
                },
            }
        },
        "people": {
            "people": [
                {
                    "id": person,
                    "roles": [*roles],
                    "keys": [{"ssh": ssh_line(person)}],
                    "emails": [email(person)],
                }
                for person, roles in ROLES.items()
            ]
        },
        "trust": {
            "signers": [
                {"role": "trainer", "identity": TRAINER, "issuer": ISSUER},
                {"role": "builder", "identity": BUILDER, "issuer": ISSUER},
                {"role": "scanner", "identity": SCANNER, "issuer": ISSUER},
                {"role": "evaluator", "identity": EVALUATOR, "issuer": ISSUER},
            ],
            "scanners": [SCANNER_URI],
        },
        "tiers": {
            "tiers": {
                "low": {"gates": ["vulnerability-scan"]},
                "medium": {"gates": [*GATES], "quorum": [{"role": "quality"}]},
                "high": {
                    "gates": [*GATES],
                    "quorum": [{"role": "quality"}, {"role": "ot-safety"}],
                },
                "safety": {
                    "gates": [*GATES],
                    "quorum": [{"role": "quality", "count": 2}, {"role": "ot-safety"}],
                    "knownAuthor": True,
                },
            }
        },
        "gates": {"vulnerabilityScan": {"maxAge": "24h", "maxDatabaseAge": "72h"}},
        "freezes": {"freezes": []},
        "exceptions": {"exceptions": []},
        "revocations": {"digests": [], "signers": []},
        "trusted_root": {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [],
            "certificateAuthorities": [],
            "ctlogs": [],
            "timestampAuthorities": [],
        },
    }


def account(person: str) -> int:
    """The number of a person's account at FORGE."""
    return 101 + list(ROLES).index(person)


def known_everywhere() -> dict[str, Any]:
    """The same, where each person has a Sigstore identity (their address) and an account too, and
    the tier `high` counts approvals of all strengths."""
    whole = documents()
    for person in whole["people"]["people"]:
        person["identities"] = [{"identity": email(person["id"]), "issuer": ISSUER}]
        person["accounts"] = [{"forge": FORGE, "id": account(person["id"])}]
    whole["trust"]["bridges"] = [{"forge": FORGE, "key": ssh_line(BRIDGE)}]
    whole["tiers"]["tiers"]["high"]["strengths"] = ["signed", "sigstore", "forge"]
    return whole


def targets(**changes: Any) -> dict[str, bytes]:
    """The target files of the good policy; `tiers={…}` or `tiers=b"…"` replaces one, None drops it.

    To change one field, change a value of `documents()` and pass it.
    """
    unknown = set(changes) - set(documents()) - set(_JSON)
    assert not unknown, f"no such target: {unknown}"
    found: dict[str, bytes] = {}
    for stem, value in (documents() | changes).items():
        if value is not None:
            name = _JSON.get(stem, f"{stem}.yaml")
            found[name] = value if isinstance(value, bytes) else _text(stem, value)
    return found


def good_policy(*, revocation_version: int = 1, **changes: Any) -> Policy:
    """The good policy, with whole targets replaced as `targets` does it."""
    return parse(targets(**changes), revocation_version)


def allowance(**changes: Any) -> dict[str, Any]:
    """An exception for the finding of `facts.finding()` in the good spec's image, in force."""
    whole = {
        "vulnerability": "CVE-2026-1234",
        "purl": "pkg:deb/debian/libfoo",
        "image": f"sha256:{'5b' * 32}",
        "justification": "vulnerable_code_not_in_execute_path",
        "reason": "the parser is not linked into the agent",
        "author": "developer-1",
        "approver": "quality-1",
        "created": "2026-11-15T12:00:00Z",
        "expires": "2026-12-01T12:00:00Z",
    }
    return whole | changes


def fingerprint(person: str) -> str:
    """The fingerprint of a person's key."""
    return ssh_fingerprint(ssh_line(person))


def _text(stem: str, value: object) -> bytes:
    if stem in _JSON:
        return json.dumps(value).encode()
    plain = json.loads(json.dumps(value))  # a list that is used twice would become an alias
    return yaml.safe_dump(plain, sort_keys=False).encode()
