"""What GitHub, Gitea and Forgejo have in common: the last two took the first one's API for a model.

Pages, reviews and pushes are where they differ, and these have a module each.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from interlock.bridge.port import Account, Hands, Pull, Review, Status
from interlock.bridge.rest import Rest, Said
from interlock.evidence.authors import coauthors
from interlock.evidence.http import NotFound

MARK = "<!-- interlock -->"
"""Begins our comment, so that it is found again; that it is ours, its author says."""
MAX_PUSHES = 500
"""Entries of a repository's activity in which the pushes to a branch are looked for."""
Id = Annotated[int, Field(strict=True)]


class User(Said):
    """An account."""

    id: Id
    login: str = ""
    type: str = "User"
    """GitHub alone says it: apps, bots and organizations are no users."""

    def account(self) -> Account:
        """Return it in the bridge's words. A forge's own accounts have no number above 0."""
        person = self.type == "User" and self.id > 0 and not self.login.endswith("[bot]")
        return Account(self.id, self.login, bot=not person)


class _Repository(Said):
    full_name: str


class _Branch(Said):
    sha: str = ""
    ref: str = ""
    repo: _Repository | None = None


class PullRequest(Said):
    """A pull request."""

    number: Id
    html_url: str = ""
    user: User
    state: str
    merged_at: datetime | None = None
    head: _Branch
    base: _Branch
    updated_at: datetime

    def pull(self, repository: str) -> Pull:
        """Return it in the bridge's words."""
        ended: Literal["merged", "closed"] = "merged" if self.merged_at else "closed"
        return Pull(
            repository=repository,
            number=self.number,
            url=self.html_url,
            author=self.user.account(),
            state="open" if self.state == "open" else ended,
            head=self.head.sha,
            base=f"refs/heads/{self.base.ref}",
            source=self.head.repo.full_name if self.head.repo else "",
            branch=self.head.ref,
            updated=self.updated_at,
        )


class _Email(Said):
    email: str = ""


class _Message(Said):
    author: _Email | None = None
    committer: _Email | None = None
    message: str = ""


class _Commit(Said):
    author: User | None = None
    committer: User | None = None
    commit: _Message | None = None


class _File(Said):
    filename: str


class _Comment(Said):
    id: Id
    user: User | None = None
    body: str = ""


class Hub(ABC):
    """One of them, seen with one account."""

    page: ClassVar[Mapping[str, int]]
    newest: ClassVar[Mapping[str, str]]
    """How pull requests are asked for by the time of their last change."""
    longest: ClassVar[int]
    """Characters that a status may have."""

    most_commits: ClassVar[int | None] = None
    """How many commits of a pull request are listed at most; who made others is not known then."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._me: int | None = None

    @abstractmethod
    async def reviews(self, pull: Pull) -> list[Review]:
        """Return all decisive words, oldest first."""

    @abstractmethod
    async def read(self, pull: Pull, commit: str, path: str) -> bytes | None:
        """Return a file as a commit, or the ref of a branch, has it; None where it is not there."""

    @abstractmethod
    async def folder(self, pull: Pull, commit: str, path: str) -> list[str]:
        """Return the names of the files in a folder as a commit has it."""

    @abstractmethod
    async def pushes(self, pull: Pull) -> list[tuple[int, str]]:
        """Return who pushed which commits to the branch, as far as the forge says it."""

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def pulls(self, repository: str, since: datetime) -> list[Pull]:
        """Return those that are open, and those that ended after `since`."""
        path = f"/repos/{quote(repository)}/pulls"
        opened = await self._rest.every(PullRequest, path, state="open", **self.page)
        found = {one.number: one for one in opened}
        query = dict(self.newest)
        pages = self._rest.pages(PullRequest, path, state="closed", **query, **self.page)
        async for one in pages:
            if one.updated_at < since:
                break
            found[one.number] = one
        return [one.pull(repository) for one in found.values()]

    async def hands(self, pull: Pull) -> Hands:
        """Return who proposed, wrote and pushed."""
        commits = await self._rest.every(_Commit, f"{pull_path(pull)}/commits", **self.page)
        try:
            pushes = await self.pushes(pull)
        except NotFound:  # a fork that we may not read, or that is gone: nobody is known
            pushes = []
        people = [user.id for one in commits for user in (one.author, one.committer) if user]
        messages = [one.commit for one in commits if one.commit]
        mails = [who.email for one in messages for who in (one.author, one.committer) if who]
        mails += [mail for one in messages for mail in coauthors(one.message.encode())]
        whole = self.most_commits is None or len(commits) < self.most_commits
        return Hands(
            frozenset({pull.author.id, *people, *(account for account, _ in pushes)}),
            frozenset(mails),
            whole and any(pull.head == commit for _, commit in pushes),
        )

    async def files(self, pull: Pull) -> list[str]:
        """Return the paths that differ from the base."""
        found = await self._rest.every(_File, f"{pull_path(pull)}/files", **self.page)
        return [one.filename for one in found]

    async def set_status(self, pull: Pull, status: Status) -> None:
        """Say it of the head."""
        body = {
            "context": status.context,
            "state": status.verdict,
            "description": status.text[: self.longest],
            "target_url": status.url,
        }
        where = f"/repos/{quote(pull.repository)}/statuses/{pull.head}"
        await self._rest.send("POST", where, body)

    async def say(self, pull: Pull, text: str) -> None:
        """Write our comment, or write it anew: there is one for each pull request."""
        if self._me is None:
            self._me = (await self._rest.get(User, "/user")).id
        issues = f"/repos/{quote(pull.repository)}/issues"
        comments = f"{issues}/{pull.number}/comments"
        body = f"{MARK}\n{text}"
        for one in await self._rest.every(_Comment, comments, **self.page):
            if one.user and one.user.id == self._me and one.body.startswith(MARK):
                if one.body != body:
                    await self._rest.send("PATCH", f"{issues}/comments/{one.id}", {"body": body})
                return
        await self._rest.send("POST", comments, {"body": body})


def pull_path(pull: Pull) -> str:
    """Return where the API has a pull request."""
    return f"/repos/{quote(pull.repository)}/pulls/{pull.number}"
