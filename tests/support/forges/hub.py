"""What the faces of GitHub and Gitea share: Gitea's API follows GitHub's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from support.forges.state import REPOSITORY, Forge, body, stamp

Page = Callable[[web.Request, Sequence[Any]], web.Response]
REPO = f"/repos/{REPOSITORY}"


def user(forge: Forge, number: int | None) -> dict[str, Any] | None:
    """An account."""
    if number is None:
        return None
    kind = "Bot" if number in forge.bots else "User"
    return {"id": number, "login": forge.user(number), "type": kind, "site_admin": False}


def pull(forge: Forge) -> dict[str, Any]:
    """The pull request."""
    branch = {"ref": forge.branch, "sha": forge.head, "repo": {"full_name": REPOSITORY}}
    return {
        "id": 9001,
        "number": 7,
        "html_url": f"https://git.example/{REPOSITORY}/pulls/7",
        "user": user(forge, forge.author),
        "state": forge.state,
        "draft": False,
        "merged_at": stamp(forge.updated) if forge.merged else None,
        "head": branch,
        "base": {"ref": "main", "sha": "0" * 40, "repo": {"full_name": REPOSITORY}},
        "updated_at": stamp(forge.updated),
    }


def entries(files: Mapping[str, bytes], folder: str) -> list[dict[str, Any]]:
    """The files of a folder."""
    names = [path.removeprefix(f"{folder}/") for path in files if path.startswith(f"{folder}/")]
    return [{"name": name, "path": f"{folder}/{name}", "type": "file"} for name in names]


def routes(forge: Forge, page: Page) -> web.RouteTableDef:
    """The routes that both have."""
    table = web.RouteTableDef()

    @table.get("/user")
    async def me(_: web.Request) -> web.Response:
        return web.json_response(user(forge, 1))

    @table.get(f"{REPO}/pulls")
    async def pulls(request: web.Request) -> web.Response:
        return page(request, [pull(forge)] if request.query["state"] == forge.state else [])

    @table.get(f"{REPO}/pulls/7/commits")
    async def commits(request: web.Request) -> web.Response:
        found = [
            {
                "sha": forge.head,
                "author": user(forge, number),
                "committer": user(forge, number),
                "commit": {
                    "author": {"email": mail},
                    "committer": {"email": mail},
                    "message": forge.message,
                },
            }
            for number, mail in forge.commits
        ]
        return page(request, found)

    @table.get(f"{REPO}/pulls/7/files")
    async def files(request: web.Request) -> web.Response:
        found = [{"filename": path, "status": "modified"} for path in forge.changed]
        return page(request, found)

    @table.get(f"{REPO}/issues/7/comments")
    async def comments(request: web.Request) -> web.Response:
        return page(request, forge.comments)

    @table.post(f"{REPO}/issues/7/comments")
    async def comment(request: web.Request) -> web.Response:
        made = {"id": 500 + len(forge.comments), "user": user(forge, 1), **await body(request)}
        forge.comments.append(made)
        return web.json_response(made, status=201)

    @table.patch(f"{REPO}/issues/comments/{{number}}")
    async def edit(request: web.Request) -> web.Response:
        wanted = int(request.match_info["number"])
        found = next(one for one in forge.comments if one["id"] == wanted)
        found |= await body(request)
        return web.json_response(found)

    @table.post(f"{REPO}/statuses/{{commit}}")
    async def status(request: web.Request) -> web.Response:
        forge.statuses.append({"commit": request.match_info["commit"], **await body(request)})
        return web.json_response({}, status=201)

    return table
