"""What controller and verifier say to each other over their socket.

It stands alone because the controller must stay small: it speaks this without loading any parser
of foreign bytes.
"""

from typing import Any

from interlock.api.kinds.base import Model
from interlock.api.kinds.repository import CommitId

FINDINGS = "/v1/findings"
GOVERNANCE = "/v1/governance"
HEALTH = "/healthz"
MAX_REQUEST_BYTES = 1024 * 1024
MAX_FINDINGS_BYTES = 1024 * 1024
MAX_GOVERNANCE_BYTES = 8 * 1024 * 1024
MAX_SECONDS = 120.0
"""How long the verifier may work on one request."""
UNRESOLVED = 422
"""The HTTP status of an Unresolved."""


class FindingsRequest(Model):
    """Asks for everything that the world says of one spec, under one policy."""

    namespace: str
    name: str
    spec: dict[str, Any]
    targets: dict[str, str]
    """The targets of governance that are in force, name to text."""
    since: CommitId = ""
    """The commit from which what serves now came, empty for none."""
