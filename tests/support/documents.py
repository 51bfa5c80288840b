"""Documents of every kind, each with one thing changed: what both model and server must judge."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from interlock.api.names import API_VERSION

Object = dict[str, Any]
HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
IMAGE = f"registry.example/agents/press:1.4.2@{DIGEST}"
GONE = object()


def document(kind: str, name: str, spec: Object) -> Object:
    """A whole object in the namespace `default`."""
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


AGENT = {
    "namespace": "line-4",
    "name": "press",
    "uid": "6f0c0e5c-0000-4000-8000-000000000000",
}
SIGNED = {"keyId": HEX, "signature": "c2lnbmF0dXJl"}
TIME = "2026-11-20T14:02:00Z"
SOON = (datetime.now(UTC) + timedelta(hours=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
"""When what may last a day ends: the API server compares it with its own clock."""

BASES: dict[str, Object] = {
    "AgentDeployment": document(
        "AgentDeployment",
        "press-scheduler",
        {
            "riskTier": "high",
            "image": IMAGE,
            "model": {"name": "press", "version": "12", "tree": DIGEST},
            "prompts": [{"name": "system", "version": "3", "digest": DIGEST}],
            "tools": [
                {
                    "name": "mes.schedule",
                    "endpoint": "https://mes.line-4.svc:8443",
                    "effect": "write",
                    "schema": {"configMap": "mes-1f09c2", "digest": DIGEST},
                }
            ],
            "policies": [{"name": "limits", "configMap": "limits-77ab04", "digest": DIGEST}],
            "knowledge": [{"name": "manuals", "digest": DIGEST}],
            "env": {"LOG_LEVEL": "info"},
            "secrets": [{"name": "mes-token", "externalSecret": "press-mes", "as": "env"}],
            "network": {
                "egress": [
                    {"to": {"namespace": "line-4"}, "port": 8443, "reason": "orders"},
                ],
                "ingress": [{"from": {"namespace": "line-4", "labels": {"app": "hmi"}}}],
            },
            "health": {"http": "/healthz", "metrics": [{"name": "r", "query": "q", "max": 0.02}]},
            "fallback": {"tools": ["mes.read"]},
            "dependsOn": ["line-vision"],
        },
    ),
    "AgentRollback": document(
        "AgentRollback", "back", {"agent": "press", "expect": HEX[:10], "reason": "rejects up"}
    ),
    "AgentQuarantine": document("AgentQuarantine", "stop", {"agent": "press", "reason": "odd"}),
    "AgentRelease": document(
        "AgentRelease", "free", {"agent": "press", "digest": HEX[:10], "reason": "fixed"}
    ),
    "AgentBreakGlass": document(
        "AgentBreakGlass",
        "incident",
        {
            "agent": "press",
            "digest": HEX,
            "reason": "the old planner double-books",
            "ticket": "INC-4711",
            "expires": SOON,
        },
    ),
    "AgentRepository": document(
        "AgentRepository", "agents", {"url": "https://git.example/line-4/agents.git"}
    ),
    "Governance": {
        "apiVersion": API_VERSION,
        "kind": "Governance",
        "metadata": {"name": "default"},
        "spec": {},
    },
    "AgentRevision": document(
        "AgentRevision",
        "press-0123456789",
        {
            "agent": AGENT,
            "content": {"image": IMAGE},
            "digest": HEX,
            "behaviour": HEX,
            "renderer": "1",
            "objects": [{"kind": "Deployment", "spec": {"replicas": 1}}],
            **SIGNED,
        },
    ),
    "GateDecision": document(
        "GateDecision",
        "press-0123456789-1",
        {
            "agent": AGENT,
            "revision": "press-0123456789",
            "digest": HEX,
            "number": 1,
            "purpose": "promotion",
            "verdict": "Allowed",
            "outcomes": [],
            "facts": "{}",
            "inputs": HEX,
            "policyDigest": HEX,
            "at": TIME,
            **SIGNED,
        },
    ),
    "AgentTransition": document(
        "AgentTransition",
        "press-1",
        {
            "agent": AGENT,
            "number": 1,
            "type": "Promotion",
            "reason": "Promoted",
            "at": TIME,
            **SIGNED,
        },
    ),
    "AgentAdmission": document(
        "AgentAdmission",
        "current",
        {
            "revisions": [
                {
                    "name": "press-0123456789",
                    "digest": HEX,
                    "containers": [{"name": "agent", "image": IMAGE}],
                }
            ]
        },
    ),
}


def changed(base: Object, path: str | tuple[str, ...], value: object) -> Object:
    """A copy with one field set, or gone; a number in the path is an index."""
    whole = copy.deepcopy(base)
    names = path.split(".") if isinstance(path, str) else path
    *way, last = [int(name) if name.isdigit() else name for name in names]
    place: Any = whole
    for name in way:
        place = place.setdefault(name, {}) if isinstance(place, dict) else place[name]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return whole


class Case(NamedTuple):
    """One document and what both sides must say of it."""

    kind: str
    path: str
    value: object
    good: bool

    def document(self) -> Object:
        """The base of the kind with one thing changed."""
        return changed(BASES[self.kind], self.path, self.value)

    def __str__(self) -> str:
        shown = "gone" if self.value is GONE else repr(self.value)[:40]
        return f"{self.kind} {self.path}={shown}"


def _cases(kind: str, good: bool, *changes: tuple[str, object]) -> list[Case]:
    return [Case(kind, path, value, good) for path, value in changes]


_TOOL = {"name": "mes.schedule", "endpoint": "http://elsewhere.example", "effect": "read"}
CASES: list[Case] = [
    *(Case(kind, "metadata.labels", {"a": "b"}, True) for kind in BASES),
    *(Case(kind, "spec.surprise", "x", False) for kind in BASES),
    *(Case(kind, "apiVersion", GONE, False) for kind in BASES),
    *(Case(kind, "metadata.name", GONE, False) for kind in BASES),
    *_cases(
        "AgentDeployment",
        True,
        ("spec.model", GONE),
        ("spec.model", {"name": "press", "alias": "champion"}),
        ("spec.tools", []),
        ("spec.port", 65535),
        ("spec.port", 80.0),
        ("spec.replicas", 100),
        ("spec.paused", True),
        ("spec.env", {f"A{i}": "x" for i in range(48)}),
        ("spec.env", {"A" * 256: "x"}),
        ("spec.env.LOG_LEVEL", "é" * 4096),
        ("spec.health.metrics.0.max", 1),
        ("spec.network.egress.0.to", {"cidr": "10.0.0.0/8"}),
        ("spec.rollout", {"bake": "10m", "drain": "1s"}),
        ("metadata.name", "a" * 40),
        ("spec.model", None),
        ("spec.model.tree", None),
        ("spec.env", None),
        ("spec.env.LOG_LEVEL", None),
        ("status", None),
    ),
    *_cases(
        "AgentDeployment",
        False,
        ("metadata.name", "a" * 41),
        ("metadata.name", "a.b"),
        ("metadata.name", "Press"),
        ("metadata.name", "press-"),
        ("kind", GONE),
        ("spec", GONE),
        ("spec", []),
        ("surprise", 1),
        ("spec.riskTier", GONE),
        ("spec.riskTier", "none"),
        ("spec.risk_tier", "high"),
        ("spec.mode", "Request"),
        ("spec.image", "press"),
        ("spec.image", "registry.example/agents/press\n"),
        ("spec.image", None),
        ("spec.model", {"name": "press"}),
        ("spec.model.alias", "champion"),
        ("spec.model.version", 12),
        ("spec.model.version", None),
        ("spec.model.tree", HEX),
        ("spec.model.tree", DIGEST + "0"),
        ("spec.prompts", [{"name": "system"}]),
        ("spec.prompts", [{"name": "a", "version": "1"}, {"name": "a", "version": "2"}]),
        ("spec.tools", [_TOOL, _TOOL]),
        ("spec.tools.0.endpoint", "ftp://mes.example"),
        ("spec.tools.0.endpoint", "https://mes.example/\u00a0x"),
        ("spec.tools.0.schema", {"digest": DIGEST}),
        ("spec.dependsOn", ["a"] * 17),
        ("spec.dependsOn", [None]),
        ("spec", None),
        ("spec.dependsOn", "line-vision"),
        ("spec.port", 0),
        ("spec.port", 65536),
        ("spec.port", "8080"),
        ("spec.port", 80.5),
        ("spec.port", True),
        ("spec.replicas", 0),
        ("spec.paused", "true"),
        ("spec.paused", 1),
        ("spec.env", {f"A{i}": "x" for i in range(49)}),
        ("spec.env", {"1A": "x"}),
        ("spec.env", {"A" * 257: "x"}),
        ("spec.env", {"A\n": "x"}),
        ("spec.env", {"A": 1}),
        ("spec.env.LOG_LEVEL", "é" * 4097),
        ("spec.health.http", "healthz"),
        ("spec.health.http", "/a b"),
        ("spec.health.metrics.0.max", "0.02"),
        ("spec.network.egress.0.to", {}),
        ("spec.network.egress.0.to.cidr", "10.0.0.0/8"),
        ("spec.network.egress.0.reason", ""),
        ("spec.network.ingress.0.from.labels", {"a" * 318: "x"}),
        ("spec.network.ingress.0.from.labels", {"a": "x y"}),
        ("spec.resources", {"cpu": "0.5"}),
        ("spec.rollout", {"bake": "10"}),
        ("spec.rollout", {"strategy": "Canary"}),
        ("spec.template", {"spec": {}}),
    ),
    *_cases(
        "AgentRollback", True, ("spec.to", HEX), ("spec.cut", True), ("spec.reason", "x" * 512)
    ),
    *_cases(
        "AgentRollback",
        False,
        ("spec.expect", GONE),
        ("spec.expect", HEX[:9]),
        ("spec.expect", HEX.upper()),
        ("spec.reason", ""),
        ("spec.reason", "x" * 513),
        ("spec.cut", "yes"),
    ),
    *_cases("AgentRelease", True, ("spec", {"agent": "p", "quarantine": True, "reason": "r"})),
    *_cases("AgentRelease", True, ("spec.quarantine", False)),
    *_cases(
        "AgentRelease",
        False,
        ("spec.digest", GONE),
        ("spec.quarantine", True),
        ("spec", {"agent": "p", "quarantine": False, "reason": "r"}),
    ),
    *_cases("AgentBreakGlass", True, ("spec.ticket", "https://tickets.example/INC 4711")),
    *_cases(
        "AgentBreakGlass",
        False,
        ("spec.digest", GONE),
        ("spec.digest", HEX[:10]),
        ("spec.reason", ""),
        ("spec.ticket", ""),
        ("spec.ticket", " "),
        ("spec.ticket", "INC\u202e4711"),
        ("spec.expires", GONE),
        ("spec.expires", "tomorrow"),
    ),
    *_cases(
        "AgentRepository",
        True,
        ("spec.path", "agents/a"),
        ("spec.mode", "EvidenceOnly"),
        ("spec.prune", False),
        ("spec.suspend", True),
        ("spec.rewrittenTo", "0a" * 20),
    ),
    *_cases(
        "AgentRepository",
        False,
        ("spec.url", "http://git.example/x"),
        ("spec.url", "ssh://git@git.example/x"),
        ("spec.url", "https://-upload-pack=x"),
        ("spec.rewrittenTo", "HEAD"),
        ("spec.path", "../x"),
        ("spec.path", "/x"),
        ("spec.ref", "main"),
        ("spec.interval", "0s"),
    ),
    *_cases("Governance", False, ("metadata.name", "other")),
    *_cases("AgentAdmission", True, ("spec", {}), ("spec", GONE)),
    *_cases(
        "AgentAdmission",
        False,
        ("metadata.name", "other"),
        ("spec.revisions.0.containers", []),
        ("spec.revisions", [BASES["AgentAdmission"]["spec"]["revisions"][0]] * 2),
        ("spec.revisions.0.volumes", [{"name": "v", "type": "hostPath"}]),
    ),
    *_cases("AgentTransition", True, ("spec.at", "2026-11-20T14:02:00.123456789+02:00")),
    *_cases(
        "AgentTransition",
        False,
        ("spec.at", "2026-02-30T00:00:00Z"),
        ("spec.at", "2026-11-20"),
        ("spec.number", "1"),
        ("spec.type", "Other"),
    ),
    *_cases("GateDecision", False, ("spec.verdict", "allowed"), ("spec.facts", {})),
    *_cases("AgentRevision", False, ("spec.objects", {}), ("spec.content", "x")),
]
