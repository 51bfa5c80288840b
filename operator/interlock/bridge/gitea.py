"""Gitea and Forgejo: reviews carry their commit, and whether the forge counts them.

`official`, `stale` and `dismissed` are read, and none of them is relied upon: a review counts only
if it is of the very head. (`dismiss stale approvals` was a switch without a function for years.)
"""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, TypeVar
from urllib.parse import quote

from pydantic import Field, ValidationError

from interlock.bridge.hub import MAX_PUSHES, Hub, Id, User, pull_path
from interlock.bridge.port import COMMIT_PATTERN, MAX_FILE, NEVER, Pull, Review, Word
from interlock.bridge.rest import Said
from interlock.evidence.http import NotFound, SourceRefused

MAX_TREE = 20
"""Pages of one folder, of up to 1,000 entries."""
_WORDS: dict[str, Word] = {"APPROVED": "approve", "REQUEST_CHANGES": "reject"}


class _Review(Said):
    id: Id
    user: User | None = None
    state: str = ""
    commit_id: str = ""
    official: bool = False
    stale: bool = False
    dismissed: bool = False
    submitted_at: datetime = NEVER


class _Event(Said):
    type: str = ""
    user: User | None = None
    body: str | None = None


class _Action(Said):
    act_user_id: int = 0
    ref_name: str = ""
    content: str = ""


class _Pushed(Said):
    commit_ids: list[str] = []


class _Sha(Said):
    sha1: str = Field(alias="Sha1")


class _Commits(Said):
    commits: Annotated[list[_Sha], Field(alias="Commits")] = []


N = TypeVar("N", _Pushed, _Commits)


class _Id(Said):
    sha: str


class _Rooted(Said):
    tree: _Id


class _Made(Said):
    commit: _Rooted


class _Node(Said):
    path: str
    type: str = ""
    mode: str = ""
    sha: str
    size: int = 0


class _Listing(Said):
    tree: list[_Node] | None = None
    truncated: bool = False


class _Blob(Said):
    content: str | None = None


class Gitea(Hub):
    """One Gitea or Forgejo."""

    page: ClassVar[Mapping[str, int]] = {"limit": 50}
    newest: ClassVar[Mapping[str, str]] = {"sort": "recentupdate"}
    longest: ClassVar[int] = 255

    async def reviews(self, pull: Pull) -> list[Review]:
        """Return all decisive words, oldest first."""
        said = await self._rest.every(_Review, f"{pull_path(pull)}/reviews", **self.page)
        return [
            Review(
                str(one.id),
                one.user.account(),
                "withdrawn" if one.dismissed else _WORDS[one.state],
                one.commit_id,
                one.submitted_at,
                one.official,
                one.stale,
            )
            for one in sorted(said, key=lambda each: each.id)
            if one.user and one.state in _WORDS
        ]

    async def pushes(self, pull: Pull) -> list[tuple[int, str]]:
        """Return who pushed: since the pull request was opened, and to its branch before that."""
        issue = f"/repos/{quote(pull.repository)}/issues/{pull.number}"
        events = await self._rest.every(_Event, f"{issue}/timeline", **self.page)
        found = [
            (one.user.id, commit)
            for one in events
            if one.type == "pull_push" and one.user
            for commit in _named(_Pushed, one.body).commit_ids
        ]
        if not pull.source:
            return found
        feed, seen = f"/repos/{quote(pull.source)}/activities/feeds", 0
        async for one in self._rest.pages(_Action, feed, **self.page):
            seen += 1
            if one.ref_name.removeprefix("refs/heads/") == pull.branch:
                pushed = _named(_Commits, one.content).commits
                found += [(one.act_user_id, commit.sha1) for commit in pushed]
            if seen >= MAX_PUSHES:
                break
        return found

    async def read(self, pull: Pull, commit: str, path: str) -> bytes | None:
        """Return a file as a commit, or the ref of a branch, has it; None where it is not there."""
        if commit.startswith("refs/"):
            where = f"/repos/{quote(pull.repository)}/raw/{quote(path)}"
            return await self._rest.raw(where, MAX_FILE, ref=commit.removeprefix("refs/heads/"))
        folder, _, name = path.rpartition("/")
        nodes = await self._nodes(pull, commit, folder)
        file = next((one for one in nodes if (one.path, one.mode) in _plain(name)), None)
        if file is None:
            return None
        if file.size > MAX_FILE:
            raise SourceRefused(f"{pull.title}: {path} has {file.size} bytes, at most {MAX_FILE}")
        blob = await self._rest.get(_Blob, f"{_git(pull)}/blobs/{file.sha}")
        return base64.b64decode(blob.content or "")

    async def folder(self, pull: Pull, commit: str, path: str) -> list[str]:
        """Return the names of the files in a folder as a commit has it."""
        nodes = await self._nodes(pull, commit, path)
        return [one.path for one in nodes if one.type == "blob"]

    async def _nodes(self, pull: Pull, commit: str, folder: str) -> list[_Node]:
        """Return what a folder of a commit holds; nothing where there is no such commit.

        From id to id: where `ref=` says a commit, Gitea takes a branch or tag of that name first,
        and whoever may push can call one so.
        """
        if not re.fullmatch(COMMIT_PATTERN, commit):
            return []
        bare = {"stat": "false", "verification": "false", "files": "false"}
        try:
            made = await self._rest.get(_Made, f"{_git(pull)}/commits/{commit}", **bare)
        except NotFound:
            return []
        nodes = await self._tree(pull, made.commit.tree.sha)
        for part in folder.split("/") if folder else ():
            below = next((one for one in nodes if (one.path, one.type) == (part, "tree")), None)
            nodes = await self._tree(pull, below.sha) if below else []
        return nodes

    async def _tree(self, pull: Pull, sha: str) -> list[_Node]:
        found: list[_Node] = []
        for page in range(1, MAX_TREE + 1):
            listed = await self._rest.get(_Listing, f"{_git(pull)}/trees/{sha}", page=page)
            found += listed.tree or []
            if not listed.truncated:
                return found
        raise SourceRefused(f"{pull.title}: a folder has more than {len(found)} entries")


def _git(pull: Pull) -> str:
    return f"/repos/{quote(pull.repository)}/git"


def _plain(name: str) -> set[tuple[str, str]]:
    """Return what a file of this name is listed as; a link is none."""
    return {(name, "100644"), (name, "100755")}


def _named(kind: type[N], text: str | None) -> N:
    """Return the JSON in a text field: only its ids count, for messages are the pusher's own."""
    try:
        return kind.model_validate_json(text or "{}")
    except ValidationError:
        return kind()
