"""What SREs ask for: create-only objects, judged once, so that RBAC `create` is all they need."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from interlock.api.kinds.base import IMMUTABLE, Column, Hex64, Kind, Model, Name, Rule, Text, Time

Prefix = Annotated[str, Field(pattern=r"^[0-9a-f]{10,64}$", max_length=64)]
"""The first 10 to 64 hex digits of a content digest."""
Why = Annotated[str, Field(min_length=1, max_length=512)]
User = Annotated[str, Field(max_length=512)]


class RequestStatus(Model):
    """How a request was judged. A request is judged once, by UID."""

    phase: Literal["Pending", "Committed", "Refused", "Expired"] = "Pending"
    message: Text = ""
    transition: Annotated[str, Field(max_length=63)] = ""
    at: Time | None = None


class AgentRollbackSpec(Model):
    """Compare-and-swap: nothing happens unless `expect` is what serves."""

    rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE,)
    agent: Name
    expect: Prefix
    to: Prefix | None = None
    reason: Why
    cut: bool = False
    requested_by: User = ""


class AgentQuarantineSpec(Model):
    """Traffic off, scale to zero, identity stopped, evidence kept."""

    rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE,)
    agent: Name
    reason: Why
    requested_by: User = ""


class AgentReleaseSpec(Model):
    """Lifts the requested hold of a digest, a quarantine, or a freeze."""

    rules: ClassVar[tuple[Rule, ...]] = (
        IMMUTABLE,
        Rule(
            "[has(self.digest), has(self.quarantine) && self.quarantine, "
            "has(self.frozen) && self.frozen].filter(given, given).size() == 1",
            "give exactly one of digest, quarantine: true and frozen: true",
            lambda release: (
                [release.digest is not None, release.quarantine, release.frozen].count(True) == 1
            ),
        ),
    )
    agent: Name
    digest: Prefix | None = None
    quarantine: bool = False
    frozen: bool = False
    reason: Why
    requested_by: User = ""


class AgentBreakGlassSpec(Model):
    """Lets one content past missing approvals and freezes; one object a person."""

    rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE,)
    agent: Name
    digest: Hex64
    """The whole content digest: a prefix could be met by another content."""
    reason: Why
    ticket: Annotated[str, Field(pattern=r"^[!-~]+( [!-~]+)*$", max_length=128)]
    expires: Time
    """Until when a promotion may rest on it; at most 24 hours away (policies/break-glass.yaml)."""
    requested_by: User = ""


_COLUMNS = (
    Column(name="AGENT", json_path=".spec.agent"),
    Column(name="PHASE", json_path=".status.phase"),
    Column(name="REQUESTEDBY", json_path=".spec.requestedBy"),
    Column(name="REASON", json_path=".spec.reason"),
    Column(name="MESSAGE", json_path=".status.message"),
    Column(name="AGE", type="date", json_path=".metadata.creationTimestamp"),
)


class AgentRollback(Kind):
    """An SRE's request to go back."""

    plural: ClassVar[str] = "agentrollbacks"
    short_names: ClassVar[tuple[str, ...]] = ("arb",)
    columns: ClassVar[tuple[Column, ...]] = _COLUMNS
    kind: Literal["AgentRollback"] = "AgentRollback"
    spec: AgentRollbackSpec
    status: RequestStatus | None = None


class AgentQuarantine(Kind):
    """An SRE's request to isolate an agent."""

    plural: ClassVar[str] = "agentquarantines"
    short_names: ClassVar[tuple[str, ...]] = ("aq",)
    columns: ClassVar[tuple[Column, ...]] = _COLUMNS
    kind: Literal["AgentQuarantine"] = "AgentQuarantine"
    spec: AgentQuarantineSpec
    status: RequestStatus | None = None


class AgentRelease(Kind):
    """An SRE's request to lift a hold or a quarantine; the gates run again."""

    plural: ClassVar[str] = "agentreleases"
    short_names: ClassVar[tuple[str, ...]] = ("arel",)
    columns: ClassVar[tuple[Column, ...]] = _COLUMNS
    kind: Literal["AgentRelease"] = "AgentRelease"
    spec: AgentReleaseSpec
    status: RequestStatus | None = None


class AgentBreakGlass(Kind):
    """A person's word that a content must run before its approvals are there."""

    plural: ClassVar[str] = "agentbreakglasses"
    short_names: ClassVar[tuple[str, ...]] = ("abg",)
    columns: ClassVar[tuple[Column, ...]] = (
        *_COLUMNS[:-1],
        Column(name="TICKET", json_path=".spec.ticket"),
        Column(name="EXPIRES", json_path=".spec.expires"),
        _COLUMNS[-1],
    )
    kind: Literal["AgentBreakGlass"] = "AgentBreakGlass"
    spec: AgentBreakGlassSpec
    status: RequestStatus | None = None
