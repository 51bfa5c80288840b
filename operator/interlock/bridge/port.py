"""What the bridge needs of a forge, in its own words: pull requests, reviews, whose hands, files.

Every id is the forge's immutable number; a login is shown and never compared, for logins are given
to others when their owners leave.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from interlock.evidence.http import SourceUnavailable

MAX_FILE = 256 * 1024
"""Bytes of one file that is read from a commit."""
NEVER = datetime.min.replace(tzinfo=UTC)
"""When something was given of which the forge does not say it: so long ago that it counts not."""
COMMIT_PATTERN = r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$"
PullState = Literal["open", "merged", "closed"]
Word = Literal["approve", "reject", "withdrawn"]
"""`withdrawn`: dismissed by somebody, or taken back."""
Verdict = Literal["success", "pending", "failure", "error"]


class RateLimited(SourceUnavailable):
    """The forge asks for patience. `seconds` says how much."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody at a forge."""

    id: int
    login: str = ""
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request."""

    repository: str
    """Path at the forge, such as `line-4/agents`."""
    number: int
    url: str
    author: Account
    state: PullState
    head: str
    """The commit that is proposed now."""
    base: str
    """The ref that it is to be merged into, such as `refs/heads/main`."""
    source: str
    """The forge's name of the repository that holds the branch; empty where it is gone."""
    branch: str
    updated: datetime

    @property
    def title(self) -> str:
        """How messages and statements name it."""
        return f"{self.repository}#{self.number}"


@dataclass(frozen=True, slots=True)
class Review:
    """One decisive word of one account: comments are none."""

    id: str
    account: Account
    word: Word
    commit: str
    """The commit that was looked at; empty where the forge does not say."""
    at: datetime
    """When it was given, by the forge's clock."""
    official: bool = True
    """Whether the forge itself counts it."""
    stale: bool = False
    """Whether the forge says that commits came after it."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Who had a hand in a pull request. This may only take approvals away."""

    accounts: frozenset[int] = frozenset()
    emails: frozenset[str] = frozenset()
    pushed: bool = False
    """Whether it is known who pushed the head."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is said of a commit."""

    context: str
    verdict: Verdict
    text: str
    url: str = ""


class Forge(Protocol):
    """One forge, seen with one account. All methods raise SourceError."""

    async def pulls(self, repository: str, since: datetime) -> list[Pull]:
        """Return those that are open, and those that ended after `since`."""

    async def reviews(self, pull: Pull) -> list[Review]:
        """Return all decisive words, oldest first."""

    async def hands(self, pull: Pull) -> Hands:
        """Return who proposed, wrote and pushed."""

    async def files(self, pull: Pull) -> list[str]:
        """Return the paths that differ from the base."""

    async def folder(self, pull: Pull, commit: str, path: str) -> list[str]:
        """Return the names of the files in a folder as a commit has it."""

    async def read(self, pull: Pull, commit: str, path: str) -> bytes | None:
        """Return a file as a commit, or the ref of a branch, has it; None where it is not there."""

    async def set_status(self, pull: Pull, status: Status) -> None:
        """Say it of the head."""

    async def say(self, pull: Pull, text: str) -> None:
        """Write our comment, or write it anew: there is one for each pull request."""

    async def close(self) -> None:
        """Close the connections."""
