"""GitHub's face (REST API of 2022-11-28)."""

from typing import Any

from aiohttp import web

from support.forges.hub import REPO, entries, routes, user
from support.forges.state import PAGE, REPOSITORY, TOKEN, Forge, guarded, linked, stamp

_STATES = {"approve": "APPROVED", "reject": "CHANGES_REQUESTED", "comment": "COMMENTED"}


def github(forge: Forge) -> web.Application:
    """A repository at GitHub."""
    app = web.Application(middlewares=[guarded(forge, "Authorization", f"Bearer {TOKEN}")])
    table = routes(forge, linked)

    @table.get(f"{REPO}/pulls/7/reviews")
    async def reviews(request: web.Request) -> web.Response:
        return linked(request, [_review(forge, one) for one in forge.reviews])

    @table.get(f"{REPO}/activity")
    async def activity(request: web.Request) -> web.Response:
        """Pages by cursor, newest first, not by number."""
        if request.query["ref"] != f"refs/heads/{forge.branch}":
            return web.json_response([])
        found = [
            {
                "id": n,
                "before": "0" * 40,
                "after": commit,
                "ref": f"refs/heads/{forge.branch}",
                "activity_type": "push",
                "actor": user(forge, number),
            }
            for n, (number, commit) in enumerate(forge.pushes)
        ][::-1]
        start = int(request.query.get("after", "0"))
        headers = {}
        if start + PAGE < len(found):
            url = request.url.update_query(after=str(start + PAGE))
            headers["Link"] = f'<{url}>; rel="next"'
        return web.json_response(found[start : start + PAGE], headers=headers)

    @table.get(f"{REPO}/contents/{{path:.+}}")
    async def contents(request: web.Request) -> web.Response:
        found = forge.files.get(request.query["ref"].removeprefix("refs/heads/"), {})
        data = found.get(request.match_info["path"])
        if below := entries(found, request.match_info["path"]):
            return web.json_response(below)
        if data is None:
            return web.json_response({"message": "Not Found"}, status=404)
        assert "raw" in request.headers["Accept"]
        return web.Response(body=data, content_type="application/vnd.github.raw+json")

    app.add_routes(table)
    return app


def _review(forge: Forge, one: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": one["id"],
        "user": user(forge, one["user"]),
        "body": "",
        "state": "DISMISSED" if one.get("dismissed") else _STATES[one["word"]],
        "commit_id": one["commit"],
        "submitted_at": stamp(one["at"]),
        "pull_request_url": f"https://api.github.com/repos/{REPOSITORY}/pulls/7",
    }
