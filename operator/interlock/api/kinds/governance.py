"""Governance: which policy is in force and how fresh it is. One object, `default`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from interlock.api.kinds.base import Column, Condition, Kind, Model, Rule, Text, Time


class GovernanceSpec(Model):
    """Nothing to choose: where governance comes from is the operator's configuration."""


class GovernanceStatus(Model):
    """The policy in force, and the signed manifest that names its bytes."""

    conditions: Annotated[list[Condition], Field(max_length=8)] = []
    policy_digest: Annotated[str, Field(max_length=64)] = ""
    versions: Annotated[dict[Annotated[str, Field(max_length=64)], int], Field(max_length=16)] = {}
    freshness: Literal["Fresh", "Stale", "Missing"] = "Missing"
    expires: Time | None = None
    manifest: Annotated[str, Field(max_length=63)] = ""
    reason: Text = "-"


class Governance(Kind):
    """The cluster's view of the governance repository."""

    plural: ClassVar[str] = "governances"
    cluster_scoped: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="FRESHNESS", json_path=".status.freshness"),
        Column(name="POLICY", json_path=".status.policyDigest"),
        Column(name="TARGETS", type="integer", json_path=".status.versions.targets"),
        Column(name="REVOCATIONS", type="integer", json_path=".status.versions.revocations"),
        Column(name="REASON", json_path=".status.reason"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name == 'default'",
            "there is one Governance, named default",
            lambda governance: governance.metadata.name in ("", "default"),
        ),
    )
    kind: Literal["Governance"] = "Governance"
    spec: GovernanceSpec = GovernanceSpec()
    status: GovernanceStatus | None = None
