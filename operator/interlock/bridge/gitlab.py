"""GitLab: an approval names no commit, so its time is compared with that of the newest push.

Approvals and their taking back are system notes, which nobody can write or edit; the approvals list
says which still stand. Whether the project resets approvals on a push is not asked: that is a
setting of the people whom it is to bind. An approval counts if it came after the newest version of
the merge request, and is taken as one of that version's head.
"""

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from interlock.bridge.hub import MARK, MAX_PUSHES
from interlock.bridge.port import MAX_FILE, Account, Hands, Pull, PullState, Review, Status, Word
from interlock.bridge.rest import Rest, Said
from interlock.evidence.authors import coauthors
from interlock.evidence.http import NotFound

PAGE = 100
_EVENTS: dict[str, Word] = {
    "approved this merge request": "approve",
    "unapproved this merge request": "withdrawn",
    "requested changes": "reject",
}
_STATES: dict[str, PullState] = {"opened": "open", "locked": "open", "merged": "merged"}
_VERDICTS = {"error": "failed", "failure": "failed"}
Id = Annotated[int, Field(strict=True)]


class _User(Said):
    id: Id
    username: str = ""
    bot: bool = False


class _Merge(Said):
    iid: Id
    web_url: str = ""
    author: _User
    state: str
    sha: str | None = None
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    updated_at: datetime


class _Approval(Said):
    user: _User


class _Approvals(Said):
    approved_by: list[_Approval] = []


class _Version(Said):
    head_commit_sha: str
    created_at: datetime


class _Note(Said):
    id: Id
    author: _User
    body: str = ""
    system: bool = False
    created_at: datetime


class _Commit(Said):
    author_email: str = ""
    committer_email: str = ""
    message: str = ""


class _Push(Said):
    ref: str | None = None
    commit_to: str | None = None


class _Event(Said):
    author_id: int = 0
    push_data: _Push | None = None


class _Entry(Said):
    name: str
    type: str = ""


class _Diff(Said):
    new_path: str


class GitLab:
    """gitlab.com, or one GitLab of one's own."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._me: int | None = None
        self._bots: dict[int, bool] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def pulls(self, repository: str, since: datetime) -> list[Pull]:
        """Return those that are open, and those that ended after `since`."""
        path = f"{_project(repository)}/merge_requests"
        found = await self._rest.every(_Merge, path, state="opened", per_page=PAGE)
        after = since.isoformat()
        for state in ("merged", "closed"):
            query = {"state": state, "updated_after": after}
            found += await self._rest.every(_Merge, path, **query, per_page=PAGE)
        return [_pull(repository, one) for one in found]

    async def reviews(self, pull: Pull) -> list[Review]:
        """Return all decisive words, oldest first."""
        versions = await self._rest.every(_Version, f"{_path(pull)}/versions", per_page=PAGE)
        listed = await self._rest.get(_Approvals, f"{_path(pull)}/approvals")
        standing = {one.user.id for one in listed.approved_by}
        query = {"sort": "asc", "order_by": "created_at"}
        notes = await self._rest.every(_Note, f"{_path(pull)}/notes", **query, per_page=PAGE)
        found = [
            (note, word)
            for note in notes
            if note.system and (word := _EVENTS.get(note.body.strip()))
        ]
        return [await self._review(note, word, versions, standing) for note, word in found]

    async def _review(
        self, note: _Note, word: Word, versions: list[_Version], standing: set[int]
    ) -> Review:
        before = [one for one in versions if one.created_at < note.created_at]
        newest = max(before, key=lambda one: one.created_at, default=None)
        later = any(one.created_at >= note.created_at for one in versions)
        return Review(
            str(note.id),
            Account(note.author.id, note.author.username, await self._bot(note.author.id)),
            "withdrawn" if word == "approve" and note.author.id not in standing else word,
            newest.head_commit_sha if newest else "",
            note.created_at,
            stale=later,
        )

    async def _bot(self, account: int) -> bool:
        """Whether an account is a project's, a group's or a service's; that never changes."""
        if account not in self._bots:
            self._bots[account] = (await self._rest.get(_User, f"/users/{account}")).bot
        return self._bots[account]

    async def hands(self, pull: Pull) -> Hands:
        """Return who proposed and pushed, and the addresses of who wrote."""
        commits = await self._rest.every(_Commit, f"{_path(pull)}/commits", per_page=PAGE)
        try:
            pushes = await self._pushes(pull)
        except NotFound:  # a fork that we may not read, or that is gone: nobody is known
            pushes = []
        mails = {mail for one in commits for mail in (one.author_email, one.committer_email)}
        mails |= {mail for one in commits for mail in coauthors(one.message.encode())}
        return Hands(
            frozenset({pull.author.id, *(account for account, _ in pushes)}),
            frozenset(mails - {""}),
            any(commit == pull.head for _, commit in pushes),
        )

    async def _pushes(self, pull: Pull) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        if not pull.source:
            return found
        path, seen = f"/projects/{pull.source}/events", 0
        async for one in self._rest.pages(_Event, path, action="pushed", per_page=PAGE):
            seen += 1
            if one.push_data and one.push_data.ref == pull.branch:
                found.append((one.author_id, one.push_data.commit_to or ""))
            if seen >= MAX_PUSHES:
                break
        return found

    async def files(self, pull: Pull) -> list[str]:
        """Return the paths that differ from the base."""
        found = await self._rest.every(_Diff, f"{_path(pull)}/diffs", per_page=PAGE)
        return [one.new_path for one in found]

    async def folder(self, pull: Pull, commit: str, path: str) -> list[str]:
        """Return the names of the files in a folder as a commit has it."""
        where = f"{_project(pull.repository)}/repository/tree"
        found = await self._rest.every(_Entry, where, path=path, ref=commit, per_page=PAGE)
        return [one.name for one in found if one.type == "blob"]

    async def read(self, pull: Pull, commit: str, path: str) -> bytes | None:
        """Return a file as a commit, or the ref of a branch, has it; None where it is not there."""
        where = f"{_project(pull.repository)}/repository/files/{quote(path, safe='')}/raw"
        return await self._rest.raw(where, MAX_FILE, ref=commit.removeprefix("refs/heads/"))

    async def set_status(self, pull: Pull, status: Status) -> None:
        """Say it of the head."""
        body = {
            "name": status.context,
            "state": _VERDICTS.get(status.verdict, status.verdict),
            "description": status.text[:255],
            "target_url": status.url,
        }
        where = f"{_project(pull.repository)}/statuses/{pull.head}"
        await self._rest.send("POST", where, body)

    async def say(self, pull: Pull, text: str) -> None:
        """Write our note, or write it anew: there is one for each merge request."""
        if self._me is None:
            self._me = (await self._rest.get(_User, "/user")).id
        notes, body = f"{_path(pull)}/notes", f"{MARK}\n{text}"
        for one in await self._rest.every(_Note, notes, per_page=PAGE):
            if one.author.id == self._me and not one.system and one.body.startswith(MARK):
                if one.body != body:
                    await self._rest.send("PUT", f"{notes}/{one.id}", {"body": body})
                return
        await self._rest.send("POST", notes, {"body": body})


def _pull(repository: str, one: _Merge) -> Pull:
    return Pull(
        repository=repository,
        number=one.iid,
        url=one.web_url,
        author=Account(one.author.id, one.author.username),
        state=_STATES.get(one.state, "closed"),
        head=one.sha or "",
        base=f"refs/heads/{one.target_branch}",
        source=str(one.source_project_id or ""),
        branch=one.source_branch,
        updated=one.updated_at,
    )


def _project(repository: str) -> str:
    return f"/projects/{quote(repository, safe='')}"


def _path(pull: Pull) -> str:
    return f"{_project(pull.repository)}/merge_requests/{pull.number}"
