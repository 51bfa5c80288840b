"""Facts of a change that passes every gate of the good policy, and how to bend each piece."""

from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.api import digests
from interlock.api.content import Content
from interlock.api.facts import (
    COSIGN,
    OMS,
    VULNS,
    Approval,
    Change,
    Context,
    Evidence,
    Facts,
    Finding,
    ForgeAccount,
    Involved,
    ModelSignature,
    Pin,
    Scan,
    Subject,
)
from interlock.api.values import Purpose
from support import policies

NOW = "2026-11-20T12:00:00Z"
NAME = "press-scheduler"
PATH = "agents/press-scheduler.yaml"
IMAGE = "5b" * 32
TREE = "9f" * 32
VOLUME = "7c" * 32
PROMPT = "a1" * 32


def at(start: str, **delta: float) -> str:
    """The moment that lies `delta` (as timedelta takes it) after `start`."""
    moment = datetime.fromisoformat(start) + timedelta(**delta)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def spec(**changes: Any) -> dict[str, Any]:
    """The good spec, pinned; a field given as None is left out."""
    whole: dict[str, Any] = {
        "riskTier": "high",
        "image": f"registry.example/agents/press-scheduler:1.4.2@sha256:{IMAGE}",
        "model": {
            "name": "press-scheduler",
            "version": "12",
            "tree": f"sha256:{TREE}",
            "volume": f"registry.example/models/press-scheduler@sha256:{VOLUME}",
        },
        "prompts": [{"name": "system", "version": "3", "digest": f"sha256:{PROMPT}"}],
        "tools": [
            {
                "name": "mes.schedule_order",
                "endpoint": "https://mes.line-4.svc:8443",
                "effect": "write",
            }
        ],
        "knowledge": [{"name": "manuals", "digest": f"sha256:{'0b' * 32}"}],
        "health": {"metrics": [{"name": "reject-rate", "query": "up", "max": 0.02}]},
    }
    return {key: value for key, value in (whole | changes).items() if value is not None}


def subject(**changes: Any) -> Subject:
    """The good subject, or the one of a changed spec."""
    made = spec(**changes)
    return Subject(
        namespace=policies.NAMESPACE,
        name=NAME,
        spec=made,
        digest=digests.content(policies.NAMESPACE, NAME, made),
        behaviour=digests.behaviour(made),
    )


CONTENT = subject().digest
BEHAVIOUR = subject().behaviour


def pins() -> list[Pin]:
    """The pins of the good spec, all true."""
    said = {
        "image": IMAGE,
        "model.tree": TREE,
        "model.volume": TREE,
        "prompts[system].digest": PROMPT,
    }
    return [Pin(name=n, expected=f"sha256:{d}", got=f"sha256:{d}") for n, d in said.items()]


def model_signature(**changes: Any) -> Evidence:
    """The trainer's signature over the model's files."""
    return _evidence(OMS, "model-tree", TREE, policies.TRAINER, "model.json", **changes)


def image_signature(**changes: Any) -> Evidence:
    """The builder's signature over the image."""
    return _evidence(COSIGN, "oci-manifest", IMAGE, policies.BUILDER, "image.json", **changes)


def scan_evidence(**changes: Any) -> Evidence:
    """The scanner's statement about the image; `scan` replaces what it says."""
    return _evidence(VULNS, "oci-manifest", IMAGE, policies.SCANNER, "scan.json", **changes)


def scan(**changes: Any) -> Scan:
    """A clean scan of two hours ago."""
    whole: dict[str, Any] = {
        "scanner": policies.SCANNER_URI,
        "database": at(NOW, hours=-20),
        "started": at(NOW, hours=-2, minutes=-1),
        "finished": at(NOW, hours=-2),
        "findings": [],
        "totals": {},
        "packages": 41,
        "os": "debian 12.9",
        "ecosystems": ["debian", "python-pkg"],
        "secrets": 0,
    }
    return Scan.model_validate(whole | changes)


def finding(**changes: Any) -> Finding:
    """A critical vulnerability with a fix."""
    whole = {
        "id": "CVE-2026-1234",
        "package": "libfoo",
        "installed": "1.0.2",
        "fixed": "1.0.3",
        "purl": "pkg:deb/debian/libfoo@1.0.2?arch=amd64&distro=debian-12.9",
        "published": at(NOW, hours=-240),
        "severity": "CRITICAL",
    }
    return Finding.model_validate(whole | changes)


def _evidence(
    kind: str, name: str, digest: str, signer: str, file: str, **changes: Any
) -> Evidence:
    whole: dict[str, Any] = {
        "bundle": digests.sha256(f"{kind} {sorted(map(str, changes.items()))}".encode()),
        "location": f"mlflow:run/interlock/evidence/{file}",
        "predicate_type": kind,
        "subjects": [(name, digest)],
        "identity": signer,
        "issuer": policies.ISSUER,
        "at": at(NOW, hours=-2),
        "model": ModelSignature(files=7) if kind == OMS else None,
        "scan": scan() if kind == VULNS else None,
    }
    return Evidence.model_validate(whole | changes)


def approval(person: str, role: str, **changes: Any) -> Approval:
    """An approval of the good content by a person of the good policy."""
    whole: dict[str, Any] = {
        "envelope": digests.sha256(f"{person} {role} {sorted(map(str, changes.items()))}".encode()),
        "key": policies.fingerprint(person),
        "decision": "approve",
        "subject": CONTENT,
        "clusters": ["factory"],
        "repository": policies.REPOSITORY,
        "ref": "refs/heads/main",
        "path": PATH,
        "environment": "production",
        "namespace": policies.NAMESPACE,
        "predecessor": "none",
        "person": person,
        "role": role,
        "not_before": at(NOW, hours=-1),
        "not_after": at(NOW, hours=24),
        "nonce": f"{person}-0123456789",
    }
    return Approval.model_validate(whole | changes)


def keyless(person: str, role: str, **changes: Any) -> Approval:
    """An approval that a person signed with their Sigstore identity."""
    said = {"strength": "sigstore", "key": "", "issuer": policies.ISSUER}
    said |= {"identity": policies.email(person), "nonce": f"{person}-keyless-00"}
    return approval(person, role, **said | changes)


def review(person: str, role: str, **changes: Any) -> Approval:
    """A review in the forge, as its bridge saw it."""
    account = ForgeAccount(forge=policies.FORGE, id=policies.account(person))
    said: dict[str, Any] = {"strength": "forge", "key": policies.fingerprint(policies.BRIDGE)}
    said |= {"account": account, "review": "pull request 7, review 12"}
    said |= {"nonce": f"{person}-review-000"}
    return approval(person, role, **said | changes)


def quality(**changes: Any) -> Approval:
    """The approval of quality-1."""
    return approval("quality-1", **{"role": "quality"} | changes)


def safety(**changes: Any) -> Approval:
    """The approval of ot-safety-1."""
    return approval("ot-safety-1", **{"role": "ot-safety"} | changes)


def change(**changes: Any) -> Change:
    """The commits of developer-1 that made the good content."""
    whole: dict[str, Any] = {
        "repository": policies.REPOSITORY,
        "ref": "refs/heads/main",
        "path": PATH,
        "commit": "c0" * 20,
        "people": [
            Involved(kind="author", id=policies.email("developer-1")),
            Involved(kind="signer", id=policies.fingerprint("developer-1")),
        ],
        "complete": True,
    }
    return Change.model_validate(whole | changes)


def context(**changes: Any) -> Context:
    """Nothing serves, nothing is held, nothing is spent."""
    whole: dict[str, Any] = {
        "cluster": "factory",
        "environment": "production",
        "tier": "high",
        "predecessors": ["none"],
    }
    return Context.model_validate(whole | changes)


def content(**changes: Any) -> Content:
    """What the files of the good model are."""
    return Content.model_validate({"formats": {"safetensors": 1, "json": 2, "text": 4}} | changes)


def good_facts(**changes: Any) -> Facts:
    """Facts that pass every gate; `changes` replace whole parts."""
    whole: dict[str, Any] = {
        "now": NOW,
        "purpose": Purpose.PROMOTION,
        "subject": subject(),
        "pins": pins(),
        "evidence": [model_signature(), image_signature(), scan_evidence()],
        "content": content(),
        "approvals": [quality(), safety()],
        "change": change(),
        "context": context(),
    }
    return Facts.model_validate(whole | changes)
