"""The demo's governance: two approvers of different roles, short times, and it says so."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from interlock_sandbox.demo.world import World

TRAINER = "https://ci.example/line-4/models"
SECOND_TRAINER = "https://ci.example/line-4/models-night"
BUILDER = "https://ci.example/line-4/agents"
SCANNER = "https://ci.example/security/scanner"
EVALUATOR = "https://ci.example/quality/press-tests"
REF = "refs/heads/main"
SCANNER_URI = "pkg:golang/github.com/aquasecurity/trivy@v0.74.0"

APPROVERS = {"quality-1": "quality", "ot-safety-1": "ot-safety"}
"""Who signs, and in which role."""
GOVERNANCE = Path(__file__).parents[3] / "examples" / "governance"
TIER = "high"
EVIDENCE = ("vulnerabilityScan", "provenance", "sbom", "evaluation", "modelContent")
"""What the story takes from the example's `gates.yaml`."""
SIGNALS = {"initialDelay": "1s", "interval": "1s", "successes": 2}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a key, an account at the forge and perhaps a Kubernetes login."""

    id: str
    roles: tuple[str, ...]
    kubernetes: bool = False

    @property
    def email(self) -> str:
        """The address under which this person commits and logs in."""
        return f"{self.id}@factory.example"


PEOPLE = (
    Person("team", ("developer",)),
    Person("quality-1", ("quality",)),
    Person("ot-safety-1", ("ot-safety",)),
    Person("sre-1", ("sre",), kubernetes=True),
    Person("security", ()),
    Person("interlock", ()),
    Person("bridge", ()),
)
"""Those without roles sign no change; they have an account at the forge only."""


def targets(world: "World") -> dict[str, bytes]:
    """The governance targets of this sandbox."""
    documents = _documents(world)
    found = {f"{name}.yaml": yaml.safe_dump(value).encode() for name, value in documents.items()}
    root = Path(world.outputs["sigstore_trusted_root"]).read_bytes()
    rules = (GOVERNANCE / "rules.yaml").read_bytes()
    return found | {"trusted_root.json": root, "rules.yaml": rules}


def source(world: "World") -> str:
    """The team's repository, as provenance names it."""
    return f"git+{world.repositories['agents']}"


def gates(world: "World") -> list[str]:
    """The gates of the example's tier, approvals last; no `sbom` where nothing makes a bill."""
    tiers = yaml.safe_load((GOVERNANCE / "tiers.yaml").read_text())["tiers"]
    asked: list[str] = tiers[TIER]["gates"]
    return [gate for gate in asked if gate != "sbom" or world.trivy]


def short_times(world: "World") -> str:
    """What this governance and its agents have shorter than a factory would, in words."""
    profile = world.profile
    return (
        f"bake 4 s, drain {profile.drain}, not-ready limit {profile.ready_within}, cool-down 1 s, "
        "signals every second, rechecks and git every 2 s"
    )


def _documents(world: "World") -> dict[str, Any]:
    registry, issuer = world.outputs["registry"], world.outputs["sigstore_issuer"]
    place = {
        "url": world.repositories["agents"],
        "path": "agents",
        "approvals": world.repositories["approvals"],
    }
    grants = {
        "models": [{"name": "press-scheduler"}],
        "images": [f"{registry}/agents/*"],
        "artifacts": [f"{registry}/models/*"],
        "tools": ["https://mes.line-4.svc:8443"],
    }
    signers = [
        ("trainer", TRAINER),
        ("trainer", SECOND_TRAINER),
        ("builder", BUILDER),
        ("scanner", SCANNER),
        ("evaluator", EVALUATOR),
    ]
    quorum = [{"role": "quality"}, {"role": "ot-safety"}]
    ready = {"readyWithin": world.profile.ready_within}
    strengths = {"strengths": ["signed", "forge"]}
    tier = {"gates": gates(world), "quorum": quorum, "minimumBake": "1s"} | ready | strengths
    return {
        "namespaces": {
            "namespaces": {
                "line-4": {
                    "environment": "production",
                    "minimumTier": TIER,
                    "repositories": [place],
                    "grants": grants,
                }
            }
        },
        "people": {
            "people": [
                {
                    "id": person.id,
                    "roles": list(person.roles),
                    "keys": [{"ssh": world.public_key(person.id)}],
                    "emails": [person.email],
                    "accounts": [{"forge": world.forge.url, "id": world.forge.id_of(person.id)}],
                }
                for person in PEOPLE
                if person.roles
            ]
        },
        "trust": {
            "signers": [
                {"role": role, "identity": identity, "issuer": issuer} for role, identity in signers
            ],
            "bridges": [{"forge": world.forge.url, "key": world.public_key("bridge")}],
            "scanners": [SCANNER_URI],
            "scannerImages": [world.trivy.image.partition("@")[2]] if world.trivy else [],
        },
        "tiers": {"tiers": {TIER: tier}},
        "gates": _evidence(world)
        | {"recheck": "2s", "signals": SIGNALS, "breakers": {"coolDown": "1s"}},
        "freezes": {"freezes": []},
        "exceptions": {"exceptions": []},
        "revocations": {"digests": [], "signers": []},
    }


def _evidence(world: "World") -> dict[str, Any]:
    """What evidence has to show: as in the example, of this story's builder and source."""
    said: dict[str, Any] = yaml.safe_load((GOVERNANCE / "gates.yaml").read_text())
    provenance = said["provenance"] | {
        "builders": [{"id": BUILDER, "identity": BUILDER}],
        "sources": [f"{source(world)}@{REF}"],
    }
    return {name: said[name] for name in EVIDENCE} | {"provenance": provenance}


def cluster_objects(repository: str) -> list[dict[str, Any]]:
    """The team's namespace, the SRE's rights in it, and its git source."""
    sre = next(person for person in PEOPLE if person.kubernetes)
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "line-4"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "sre"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "interlock-sre",
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": sre.email}
            ],
        },
        {
            "apiVersion": "interlock.dev/v1alpha1",
            "kind": "AgentRepository",
            "metadata": {"name": "agents", "namespace": "line-4"},
            "spec": {"url": repository, "path": "agents", "interval": "2s"},
        },
    ]
