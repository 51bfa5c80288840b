"""AgentDeployment: what a team wants to run. No pod template and no raw manifests, on purpose."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from interlock.api.kinds.base import (
    Column,
    Condition,
    Duration,
    Hex64,
    Kind,
    Model,
    Name,
    Port,
    Reference,
    Rule,
    Sha256,
    Text,
    unique,
)

AGENT_NAME = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"
"""A DNS label that leaves room for `-<10 hex>` in the name of a Deployment and its pods."""
Tier = Literal["low", "medium", "high", "safety"]
Effect = Literal["read", "write"]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
LabelKey = Annotated[str, Field(max_length=317)]
LabelValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=63)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=8)]


class ModelRef(Model):
    """A version of a registered model, and the pins of its files and of its OCI form."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.version) != has(self.alias)",
            "give either version or alias, not both",
            lambda model: (model.version is None) != (model.alias is None),
        ),
    )
    registry: Name = "default"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
    version: Annotated[str, Field(pattern=r"^[0-9]{1,9}$", max_length=9)] | None = None
    alias: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)] | None = None
    tree: Sha256 | None = None
    volume: Reference | None = None


class PromptRef(Model):
    """A version of a registered prompt; the digest is over its text, UTF-8."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
    version: Annotated[str, Field(pattern=r"^[0-9]{1,9}$", max_length=9)]
    digest: Sha256 | None = None


class ConfigMapRef(Model):
    """An immutable, hash-named ConfigMap of the team's namespace."""

    config_map: Name
    digest: Sha256 | None = None


class Tool(Model):
    """A tool that the agent may call."""

    name: ToolName
    endpoint: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=512)]
    effect: Effect
    schema_: ConfigMapRef | None = Field(default=None, alias="schema")


class PolicyRef(ConfigMapRef):
    """A Cedar policy with its fixtures."""

    name: Name


class Knowledge(Model):
    """A body of knowledge, named by digest."""

    name: Name
    digest: Sha256


class Secret(Model):
    """A reference to a secret that another operator provides. Interlock never reads it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][-A-Za-z0-9_]*$", max_length=63)]
    external_secret: Name
    as_: Literal["env", "file"] = Field(default="env", alias="as")


class Resources(Model):
    """CPU and memory of one replica: request and limit are the same."""

    cpu: Annotated[str, Field(pattern=r"^[1-9][0-9]*m?$", max_length=8)] = "100m"
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]*(Ki|Mi|Gi)$", max_length=12)] = "128Mi"


class Peer(Model):
    """Pods of one namespace, or a CIDR."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.__namespace__) != has(self.cidr)",
            "give either namespace or cidr, not both",
            lambda peer: (peer.namespace is None) != (peer.cidr is None),
        ),
    )
    namespace: Name | None = None
    labels: Labels = {}
    cidr: Annotated[str, Field(pattern=r"^[0-9a-f.:]+/[0-9]{1,3}$", max_length=43)] | None = None


class Egress(Model):
    """One edge out of the agent, with its reason."""

    to: Peer
    port: Port
    effect: Effect = "read"
    reason: Annotated[str, Field(min_length=1, max_length=256)]


class Ingress(Model):
    """One edge into the agent's port."""

    from_: Peer = Field(alias="from")


class Network(Model):
    """All edges. What is not declared is denied."""

    egress: Annotated[list[Egress], Field(max_length=32)] = []
    ingress: Annotated[list[Ingress], Field(max_length=32)] = []


class Metric(Model):
    """A Prometheus query whose value must stay at or below `max`."""

    name: Name
    query: Annotated[str, Field(min_length=1, max_length=1024)]
    max: float


class Health(Model):
    """How to tell whether the agent works."""

    http: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=256)] | None = None
    grpc: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]*$", max_length=128)] | None = None
    """Service name for `grpc.health.v1.Health/Check`; empty asks for the server as a whole."""
    metrics: Annotated[list[Metric], Field(max_length=16)] = []


class Rollout(Model):
    """How traffic moves: blue-green over one Service."""

    strategy: Literal["BlueGreen"] = "BlueGreen"
    bake: Duration = "10m"
    drain: Duration = "30s"
    auto_rollback: bool = True
    group: Name | None = None
    """Agents of the namespace with the same group switch all or none, in order of `dependsOn`."""


class Rollback(Model):
    """Whether this content may be left for an older one at all."""

    allowed: bool = True


class Fallback(Model):
    """The same agent with fewer tools in its hands."""

    tools: Annotated[list[ToolName], Field(max_length=32)] = []


class AgentDeploymentSpec(Model):
    """The team's wish. Everything but `replicas`, `warm` and `paused` is content."""

    rules: ClassVar[tuple[Rule, ...]] = tuple(
        unique(field) for field in ("prompts", "tools", "policies", "knowledge", "secrets")
    )

    risk_tier: Tier
    mode: Literal["request", "autonomous"] = "request"
    image: Reference
    model: ModelRef | None = None
    prompts: Annotated[list[PromptRef], Field(max_length=32)] = []
    tools: Annotated[list[Tool], Field(max_length=64)] = []
    policies: Annotated[list[PolicyRef], Field(max_length=16)] = []
    knowledge: Annotated[list[Knowledge], Field(max_length=32)] = []
    port: Port = 8080
    env: Annotated[
        dict[
            Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)],
            Annotated[str, Field(max_length=4096)],
        ],
        Field(max_length=48),
    ] = {}
    secrets: Annotated[list[Secret], Field(max_length=8)] = []
    resources: Resources = Resources()
    network: Network = Network()
    health: Health = Health()
    rollout: Rollout = Rollout()
    rollback: Rollback = Rollback()
    fallback: Fallback | None = None
    depends_on: Annotated[list[Name], Field(max_length=16)] = []
    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    warm: Literal["full", "min", "none"] = "full"
    paused: bool = False


class Hold(Model):
    """A behaviour that may not serve, and what would lift it."""

    digest: Hex64
    cause: Literal["failed", "revoked", "requested", "unratified"]
    since: Annotated[str, Field(max_length=40)]
    transition: Annotated[str, Field(max_length=63)]


class SignalWindow(Model):
    """How many of a signal's samples are bad."""

    bad: int
    of: int


class SignalStatus(Model):
    """What one signal says of the revision that is watched."""

    name: Annotated[str, Field(max_length=64)]
    vote: Literal["good", "bad", "none"]
    message: Text = ""
    window: SignalWindow | None = None
    since: Annotated[str, Field(max_length=40)] = ""


class FrozenStatus(Model):
    """Why nothing moves by itself any more, and since when."""

    since: Annotated[str, Field(max_length=40)]
    reason: Text


class AgentDeploymentStatus(Model):
    """What runs, what is blocked, why. Written by one module, never read back as evidence."""

    observed_generation: int = 0
    conditions: Annotated[list[Condition], Field(max_length=16)] = []
    address: Annotated[str, Field(max_length=256)] = ""
    namespace: Annotated[str, Field(max_length=63)] = ""
    ready: Annotated[str, Field(max_length=7)] = "Unknown"
    serving: Annotated[str, Field(max_length=64)] = "-"
    candidate: Annotated[str, Field(max_length=64)] = "-"
    gate: Annotated[str, Field(max_length=16)] = "-"
    reason: Text = "-"
    rollback: Annotated[str, Field(max_length=8)] = "none"
    break_glass: Annotated[str, Field(max_length=16)] = "-"
    """Open, Unratified, or LetIn where nobody has to ratify it; a dash for none."""
    decision: Annotated[str, Field(max_length=63)] = ""
    transition: Annotated[str, Field(max_length=63)] = ""
    holds: Annotated[list[Hold], Field(max_length=16)] = []
    signals: Annotated[list[SignalStatus], Field(max_length=32)] = []
    frozen: FrozenStatus | None = None
    drifted: Annotated[list[Annotated[str, Field(max_length=317)]], Field(max_length=16)] = []


class AgentDeployment(Kind):
    """The team's request to run one agent."""

    plural: ClassVar[str] = "agentdeployments"
    short_names: ClassVar[tuple[str, ...]] = ("ad",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="READY", json_path=".status.ready"),
        Column(name="SERVING", json_path=".status.serving"),
        Column(name="CANDIDATE", json_path=".status.candidate"),
        Column(name="GATE", json_path=".status.gate"),
        Column(name="REASON", json_path=".status.reason"),
        Column(name="ROLLBACK", json_path=".status.rollback"),
        Column(name="BREAKGLASS", json_path=".status.breakGlass"),
        Column(name="AGE", type="date", json_path=".metadata.creationTimestamp"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.metadata.name.matches('{AGENT_NAME}')",
            "an AgentDeployment's name is a DNS label of at most 40 characters",
            lambda agent: bool(re.fullmatch(AGENT_NAME, agent.metadata.name or "unnamed")),
        ),
    )
    kind: Literal["AgentDeployment"] = "AgentDeployment"
    spec: AgentDeploymentSpec
    status: AgentDeploymentStatus | None = None
