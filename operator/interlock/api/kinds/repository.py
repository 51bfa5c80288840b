"""AgentRepository: where a namespace's AgentDeployments and their approvals come from."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from interlock.api.kinds.base import Column, Condition, Duration, Kind, Model, Rule, Text

Url = Annotated[str, Field(pattern=r"^(https|ssh)://[A-Za-z0-9][!-~]*$", max_length=512)]
Ref = Annotated[str, Field(pattern=r"^refs/[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=256)]
Folder = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$", max_length=256
    ),
]
CommitId = Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$", max_length=40)]


class AgentRepositorySpec(Model):
    """A folder of one ref of one repository; governance must name the same three."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!self.url.startsWith('ssh://')",
            "git over SSH is not built; give a URL that begins with https://",
            lambda spec: not spec.url.startswith("ssh://"),
        ),
    )

    mode: Literal["Sync", "EvidenceOnly"] = "Sync"
    """`EvidenceOnly`: somebody else delivers; what runs is compared, and nothing is written."""
    url: Url
    ref: Ref = "refs/heads/main"
    path: Folder = ""
    interval: Duration = "60s"
    prune: bool = True
    """Whether what came from here goes when no file declares it any more."""
    suspend: bool = False
    """Nothing is fetched, applied or removed; agents run on as they are."""
    rewritten_to: CommitId = ""
    """The ref's history was rewritten on purpose: this one commit may follow what was seen."""


class RefusedFile(Model):
    """A file that was not applied, and why; the others are."""

    path: Annotated[str, Field(max_length=512)]
    message: Text


class AgentRepositoryStatus(Model):
    """The commit that was applied last, and what of it was refused."""

    observed_generation: int = 0
    conditions: Annotated[list[Condition], Field(max_length=8)] = []
    commit: CommitId = ""
    applied: int = 0
    """Objects of that commit; with `EvidenceOnly`, agents that run as a file says."""
    refused: Annotated[list[RefusedFile], Field(max_length=64)] = []
    reason: Text = "-"
    ready: Annotated[str, Field(max_length=7)] = "Unknown"


class AgentRepository(Kind):
    """A git source of one team namespace."""

    plural: ClassVar[str] = "agentrepositories"
    short_names: ClassVar[tuple[str, ...]] = ("arepo",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="READY", json_path=".status.ready"),
        Column(name="COMMIT", json_path=".status.commit"),
        Column(name="APPLIED", type="integer", json_path=".status.applied"),
        Column(name="REASON", json_path=".status.reason"),
        Column(name="AGE", type="date", json_path=".metadata.creationTimestamp"),
    )
    kind: Literal["AgentRepository"] = "AgentRepository"
    spec: AgentRepositorySpec
    status: AgentRepositoryStatus | None = None
