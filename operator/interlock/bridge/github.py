"""GitHub: reviews carry their commit; who pushed is in the repository's activity.

A review that somebody dismissed is listed as DISMISSED in the place of what it said, so an older
approval of the same person is not the newest word again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from interlock.bridge.hub import MAX_PUSHES, Hub, Id, User, pull_path
from interlock.bridge.port import MAX_FILE, NEVER, Pull, Review, Word
from interlock.bridge.rest import Said

RAW = "application/vnd.github.raw+json"
_WORDS: dict[str, Word] = {
    "APPROVED": "approve",
    "CHANGES_REQUESTED": "reject",
    "DISMISSED": "withdrawn",
}


class _Review(Said):
    id: Id
    user: User | None = None
    state: str = ""
    commit_id: str | None = None
    submitted_at: datetime = NEVER


class _Activity(Said):
    after: str = ""
    actor: User | None = None


class _Entry(Said):
    name: str
    type: str = ""


class GitHub(Hub):
    """github.com, or one GitHub Enterprise Server."""

    page: ClassVar[Mapping[str, int]] = {"per_page": 100}
    newest: ClassVar[Mapping[str, str]] = {"sort": "updated", "direction": "desc"}
    longest: ClassVar[int] = 140
    most_commits: ClassVar[int | None] = 250

    async def reviews(self, pull: Pull) -> list[Review]:
        """Return all decisive words, in the order in which GitHub lists them: oldest first."""
        said = await self._rest.every(_Review, f"{pull_path(pull)}/reviews", **self.page)
        return [
            Review(
                str(one.id),
                one.user.account(),
                _WORDS[one.state],
                one.commit_id or "",
                one.submitted_at,
            )
            for one in said
            if one.user and one.state in _WORDS
        ]

    async def pushes(self, pull: Pull) -> list[tuple[int, str]]:
        """Return who pushed to the branch, newest first."""
        found: list[tuple[int, str]] = []
        if not pull.source:
            return found
        path, ref = f"/repos/{quote(pull.source)}/activity", f"refs/heads/{pull.branch}"
        async for one in self._rest.pages(_Activity, path, ref=ref, **self.page):
            if one.actor:
                found.append((one.actor.id, one.after))
            if len(found) >= MAX_PUSHES:  # who pushed before these is not known
                return [(account, "") for account, _ in found]
        return found

    async def folder(self, pull: Pull, commit: str, path: str) -> list[str]:
        """Return the names of the files in a folder as a commit has it."""
        found = await self._rest.whole(_Entry, _contents(pull, path), ref=commit)
        return [one.name for one in found if one.type == "file"]

    async def read(self, pull: Pull, commit: str, path: str) -> bytes | None:
        """Return a file as a commit, or the ref of a branch, has it; None where it is not there."""
        return await self._rest.raw(_contents(pull, path), MAX_FILE, accept=RAW, ref=commit)


def _contents(pull: Pull, path: str) -> str:
    """Return where a file or folder is. `ref=` is one: no branch there has 40 hex digits."""
    return f"/repos/{quote(pull.repository)}/contents/{quote(path)}"
