"""The records that rollback trusts: immutable, signed, in the agent's own namespace.

A signature covers the RFC 8785 form of the spec without the signature itself, under a domain
tag of its kind (see audit/records.py).
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from interlock.api.kinds.base import IMMUTABLE, Column, Hex64, Kind, Model, Name, Rule, Text, Time

RevisionName = Annotated[str, Field(pattern=r"^([-a-z0-9]+)?$", max_length=63)]
Signature = Annotated[str, Field(max_length=128)]
KeyId = Annotated[str, Field(max_length=64)]
Raw = Annotated[
    dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
]


VerdictName = Literal["Allowed", "Waiting", "Blocked", "Error"]
Cause = Literal["", "failed", "revoked", "requested", "unratified"]
Ending = Literal["Committed", "Abandoned", "Failed"]
TransitionType = Literal[
    "Promotion",
    "Rollback",
    "Quarantine",
    "Restore",
    "FailedStage",
    "Release",
    "Freeze",
    "Unfreeze",
    "BreakGlass",
    "Ratification",
]


class AgentName(Model):
    """Which AgentDeployment a record is about."""

    namespace: Name
    name: Name
    uid: Annotated[str, Field(max_length=64)]


class AgentRevisionSpec(Model):
    """One content, named by its digest, with the objects rendered from it once."""

    rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE,)
    agent: AgentName
    content: Raw
    digest: Hex64
    behaviour: Hex64
    parent: RevisionName = ""
    """The revision whose fallback this is, and by whose approvals it is covered."""
    renderer: Annotated[str, Field(max_length=32)]
    objects: Annotated[list[Raw], Field(max_length=64)]
    key_id: KeyId
    signature: Signature


class AgentRevision(Kind):
    """An immutable content that may be staged."""

    plural: ClassVar[str] = "agentrevisions"
    short_names: ClassVar[tuple[str, ...]] = ("arev",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="AGENT", json_path=".spec.agent.name"),
        Column(name="RENDERER", json_path=".spec.renderer"),
        Column(name="AGE", type="date", json_path=".metadata.creationTimestamp"),
    )
    raw: ClassVar[tuple[str, ...]] = ("content", "objects")
    kind: Literal["AgentRevision"] = "AgentRevision"
    spec: AgentRevisionSpec


class GateOutcome(Model):
    """One gate's answer inside a decision."""

    gate: Annotated[str, Field(max_length=64)]
    outcome: Annotated[str, Field(max_length=16)]
    reason: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(max_length=4096)]
    got: Annotated[str, Field(max_length=2048)] = ""
    expected: Annotated[str, Field(max_length=2048)] = ""
    unblock: Annotated[list[Text], Field(max_length=16)] = []
    evidence: Annotated[list[Hex64], Field(max_length=64)] = []
    expires: Time | None = None


class GateDecisionSpec(Model):
    """A verdict on one revision, with the facts from which anyone can replay it."""

    rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE,)
    agent: AgentName
    revision: RevisionName
    digest: Hex64
    number: int
    purpose: Literal["promotion", "rollback"]
    verdict: VerdictName
    outcomes: Annotated[list[GateOutcome], Field(max_length=64)]
    facts: Annotated[str, Field(max_length=262144)]
    inputs: Hex64
    policy_digest: Annotated[str, Field(max_length=64)]
    policy_versions: Annotated[
        dict[Annotated[str, Field(max_length=64)], int], Field(max_length=16)
    ] = {}
    """Role of governance to the version of its metadata that was in force."""
    at: Time
    expires: Time | None = None
    fresh_until: Time | None = None
    key_id: KeyId
    signature: Signature


class GateDecision(Kind):
    """An immutable, signed verdict."""

    plural: ClassVar[str] = "gatedecisions"
    short_names: ClassVar[tuple[str, ...]] = ("gd",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="REVISION", json_path=".spec.revision"),
        Column(name="PURPOSE", json_path=".spec.purpose"),
        Column(name="VERDICT", json_path=".spec.verdict"),
        Column(name="AGE", type="date", json_path=".metadata.creationTimestamp"),
    )
    kind: Literal["GateDecision"] = "GateDecision"
    spec: GateDecisionSpec


class AgentTransitionSpec(Model):
    """The intent: signed and durable before the effect."""

    rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE,)
    agent: AgentName
    number: int
    type: TransitionType
    from_: RevisionName = Field(default="", alias="from")
    to: RevisionName = ""
    digest: Annotated[str, Field(max_length=64)] = ""
    """The content that the record is about: the one left, staged in vain, or promoted."""
    behaviour: Annotated[str, Field(max_length=64)] = ""
    cause: Cause = ""
    reason: Annotated[str, Field(max_length=64)]
    message: Text = ""
    requested_by: Annotated[str, Field(max_length=512)] = ""
    request: Annotated[str, Field(max_length=64)] = ""
    """UID of the request that asked for it."""
    decision: Annotated[str, Field(max_length=63)] = ""
    nonces: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)] = []
    cut: bool = False
    switch: Annotated[str, Field(max_length=64)] = ""
    """Digest of what all members of the agent's group wanted at a promotion."""
    ticket: Annotated[str, Field(max_length=128)] = ""
    """Of a break-glass: the incident that it belongs to."""
    expires: Time | None = None
    """Of a break-glass: until when a promotion may rest on it."""
    break_glass: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=16)] = []
    """Of a promotion: the break-glass records by which it went past a gate."""
    ratify_by: Time | None = None
    """Of such a promotion: when it is left again unless the quorum approved meanwhile."""
    at: Time
    key_id: KeyId
    signature: Signature


class TransitionEnd(Model):
    """How a transition ended, signed over the record's digest."""

    outcome: Ending
    at: Time
    signature: Signature


class TransitionHealthy(Model):
    """That the bake ended well, signed over the record's digest."""

    at: Time
    signature: Signature


class AgentTransitionStatus(Model):
    """Each field is written once."""

    end: TransitionEnd | None = None
    healthy: TransitionHealthy | None = None


def _written_once(field: str) -> Rule:
    return Rule(
        f"!has(oldSelf.status) || !has(oldSelf.status.{field}) || (has(self.status)"
        f" && has(self.status.{field}) && self.status.{field} == oldSelf.status.{field})",
        f"status.{field} is written once",
    )


class AgentTransition(Kind):
    """One pointer move, failed stage or release. Creating it is the lock."""

    plural: ClassVar[str] = "agenttransitions"
    short_names: ClassVar[tuple[str, ...]] = ("at",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="TYPE", json_path=".spec.type"),
        Column(name="FROM", json_path=".spec.from"),
        Column(name="TO", json_path=".spec.to"),
        Column(name="REASON", json_path=".spec.reason"),
        Column(name="REQUESTEDBY", json_path=".spec.requestedBy"),
        Column(name="END", json_path=".status.end.outcome"),
        Column(name="AGE", type="date", json_path=".metadata.creationTimestamp"),
    )
    # On the whole object: a rule on the status would not be asked when the status is taken away.
    rules: ClassVar[tuple[Rule, ...]] = (_written_once("end"), _written_once("healthy"))
    kind: Literal["AgentTransition"] = "AgentTransition"
    spec: AgentTransitionSpec
    status: AgentTransitionStatus | None = None
