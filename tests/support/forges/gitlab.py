"""GitLab's face (API v4): approvals without commits, events as system notes."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from support.forges.state import REPOSITORY, TOKEN, Forge, body, guarded, linked, stamp

PROJECT = f"/projects/{REPOSITORY.replace('/', '%2F')}"
MERGE = f"{PROJECT}/merge_requests/7"
_NOTES = {
    "approve": "approved this merge request",
    "withdraw": "unapproved this merge request",
    "reject": "requested changes",
}


def gitlab(forge: Forge) -> web.Application:
    """A project at a GitLab."""
    app = web.Application(middlewares=[guarded(forge, "PRIVATE-TOKEN", TOKEN)])
    lists: dict[str, Callable[[web.Request], Sequence[Any]]] = {
        f"{PROJECT}/merge_requests": lambda request: _merges(forge, **request.query),
        f"{MERGE}/versions": lambda _: [
            {"id": n, "head_commit_sha": commit, "created_at": stamp(at), "state": "collected"}
            for n, (commit, at) in reversed(list(enumerate(forge.versions)))
        ],
        f"{MERGE}/notes": lambda _: [*_notes(forge), *forge.comments],
        f"{MERGE}/commits": lambda _: [
            {
                "id": forge.head,
                "author_email": mail,
                "committer_email": mail,
                "message": forge.message,
            }
            for _, mail in forge.commits
        ],
        f"{MERGE}/diffs": lambda _: [
            {"old_path": path, "new_path": path, "diff": ""} for path in forge.changed
        ],
        f"{PROJECT}/repository/tree": lambda request: [
            {"name": path.rpartition("/")[2], "type": "blob", "path": path}
            for path in forge.files.get(request.query["ref"], {})
            if path.rpartition("/")[0] == request.query["path"]
        ],
        "/projects/3/events": lambda _: [_event(forge, *one) for one in forge.pushes[::-1]],
    }
    for path, listed in lists.items():
        app.router.add_get(path, _listing(listed))
    app.add_routes(_routes(forge))
    return app


def _listing(listed: Callable[[web.Request], Sequence[Any]]) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return linked(request, listed(request))

    return answer


def _routes(forge: Forge) -> web.RouteTableDef:
    table = web.RouteTableDef()

    @table.get("/user")
    async def me(_: web.Request) -> web.Response:
        return web.json_response(_user(forge, 1))

    @table.get("/users/{number}")
    async def somebody(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.json_response(_user(forge, number) | {"bot": number in forge.bots})

    @table.get(f"{MERGE}/approvals")
    async def approvals(_: web.Request) -> web.Response:
        standing: dict[int, None] = {}
        for one in forge.reviews:
            standing.pop(one["user"], None)
            if one["word"] == "approve" and not one.get("dismissed"):
                standing[one["user"]] = None
        found = [{"user": _user(forge, number)} for number in standing]
        return web.json_response({"approved": bool(found), "approved_by": found})

    @table.get(f"{PROJECT}/repository/files/{{path}}/raw")
    async def raw(request: web.Request) -> web.Response:
        data = forge.files.get(request.query["ref"], {}).get(request.match_info["path"])
        return web.Response(body=data) if data is not None else web.Response(status=404)

    @table.post(f"{PROJECT}/statuses/{{commit}}")
    async def status(request: web.Request) -> web.Response:
        forge.statuses.append({"commit": request.match_info["commit"], **await body(request)})
        return web.json_response({}, status=201)

    @table.post(f"{MERGE}/notes")
    async def note(request: web.Request) -> web.Response:
        made = {"id": 500 + len(forge.comments), "author": _user(forge, 1), "system": False}
        forge.comments.append(made | {"created_at": stamp(forge.at())} | await body(request))
        return web.json_response(made, status=201)

    @table.put(f"{MERGE}/notes/{{number}}")
    async def edit(request: web.Request) -> web.Response:
        wanted = int(request.match_info["number"])
        found = next(one for one in forge.comments if one["id"] == wanted)
        found |= await body(request)
        return web.json_response(found)

    return table


def _user(forge: Forge, number: int) -> dict[str, Any]:
    return {"id": number, "username": forge.user(number), "state": "active"}


def _merges(forge: Forge, *, state: str, updated_after: str = "", **_: str) -> list[dict[str, Any]]:
    if updated_after and datetime.fromisoformat(updated_after) > forge.updated:
        return []
    mine = "merged" if forge.merged else {"open": "opened"}.get(forge.state, forge.state)
    if state != mine:
        return []
    return [
        {
            "id": 9001,
            "iid": 7,
            "web_url": f"https://git.example/{REPOSITORY}/-/merge_requests/7",
            "author": _user(forge, forge.author),
            "state": mine,
            "sha": forge.head,
            "source_branch": forge.branch,
            "target_branch": "main",
            "source_project_id": 3,
            "updated_at": stamp(forge.updated),
        }
    ]


def _notes(forge: Forge) -> list[dict[str, Any]]:
    return [
        {
            "id": one["id"],
            "author": _user(forge, one["user"]),
            "body": one.get("body", _NOTES.get(one["word"], "")),
            "system": one["word"] != "comment",
            "created_at": stamp(one["at"]),
        }
        for one in forge.reviews
    ]


def _event(forge: Forge, number: int, commit: str) -> dict[str, Any]:
    data = {"ref": forge.branch, "ref_type": "branch", "action": "pushed", "commit_to": commit}
    return {"author_id": number, "action_name": "pushed to", "push_data": data}
