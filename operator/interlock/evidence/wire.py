"""What controller and verifier say to each other over their socket.

It stands alone because the controller must stay small: it speaks this without loading any parser
of foreign bytes.
"""

from typing import Annotated, Any

from pydantic import Field

from interlock.api.kinds.base import Model, Time
from interlock.api.kinds.repository import CommitId

FINDINGS = "/v1/findings"
GOVERNANCE = "/v1/governance"
HEALTH = "/healthz"
MAX_REQUEST_BYTES = 1024 * 1024
MAX_FINDINGS_BYTES = 1024 * 1024
MAX_GOVERNANCE_BYTES = 8 * 1024 * 1024
MAX_SECONDS = 120.0
"""How long the verifier may work on one request."""
MAX_SEEN = 64
UNRESOLVED = 422
"""The HTTP status of an Unresolved."""


class SeenTip(Model):
    """Where a ref was when somebody looked at it before."""

    repository: Annotated[str, Field(max_length=512)]
    ref: Annotated[str, Field(max_length=256)]
    commit: CommitId


class FindingsRequest(Model):
    """Asks for everything that the world says of one spec, under one policy."""

    namespace: str
    name: str
    spec: dict[str, Any]
    targets: dict[str, str]
    """The targets of governance that are in force, name to text."""
    since: CommitId = ""
    """The commit from which what serves now came, empty for none."""
    seen: Annotated[list[SeenTip], Field(max_length=MAX_SEEN)] = []
    """Where refs were: what does not continue it is not taken, however new our mirrors are."""
    rewritten: Annotated[list[CommitId], Field(max_length=MAX_SEEN)] = []
    """Commits that may be taken nevertheless: the namespace's AgentRepositories name them."""


class GovernanceRequest(Model):
    """Asks what governance says now."""

    metadata: dict[str, str] = {}
    """TUF metadata that was verified last, file name to base64: nothing older is taken."""


class GovernanceAnswer(Model):
    """One verified state of governance."""

    versions: dict[str, int]
    """Role to version."""
    expires: Time
    targets: dict[str, str]
    metadata: dict[str, str]
    """All TUF metadata, file name to base64."""
