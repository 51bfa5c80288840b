"""Gitea's face (API v1 of 1.26)."""

import base64
import hashlib
import json
from typing import Any

from aiohttp import web

from support.forges.hub import REPO, entries, routes, user
from support.forges.state import TOKEN, Forge, counted, guarded, page, stamp

_STATES = {"approve": "APPROVED", "reject": "REQUEST_CHANGES", "comment": "COMMENT"}


def gitea(forge: Forge) -> web.Application:
    """A repository at a Gitea."""
    app = web.Application(middlewares=[guarded(forge, "Authorization", f"token {TOKEN}")])
    table = routes(forge, counted)

    @table.get(f"{REPO}/pulls/7/reviews")
    async def reviews(request: web.Request) -> web.Response:
        return counted(request, [_review(forge, one) for one in forge.reviews])

    @table.get(f"{REPO}/issues/7/timeline")
    async def timeline(request: web.Request) -> web.Response:
        pushes = [
            {
                "id": n,
                "type": "pull_push",
                "user": user(forge, number),
                "body": json.dumps({"is_force_push": False, "commit_ids": [commit]}),
            }
            for n, (number, commit) in enumerate(forge.pushes[1:])
        ]
        claim = {"id": 99, "type": "comment", "user": user(forge, 77)}
        claim["body"] = json.dumps({"commit_ids": [forge.head]})
        return counted(request, [claim, *pushes])

    @table.get(f"{REPO}/activities/feeds")
    async def feeds(request: web.Request) -> web.Response:
        number, commit = forge.pushes[0]
        content = {"Commits": [{"Sha1": commit, "Message": "change"}], "Len": 1}
        first = {
            "op_type": "commit_repo",
            "act_user_id": number,
            "ref_name": f"refs/heads/{forge.branch}",
            "content": json.dumps(content),
        }
        other = first | {"ref_name": "refs/heads/other", "act_user_id": 77}
        return counted(request, [other, {"op_type": "star_repo", "content": ""}, first])

    @table.get(f"{REPO}/raw/{{path:.+}}")
    async def raw(request: web.Request) -> web.Response:
        """A tag of that name comes before a commit."""
        ref, path = request.query["ref"], request.match_info["path"]
        tagged = next((tag for tag in forge.tags if f"{ref}/{path}".startswith(f"{tag}/")), "")
        path = f"{ref}/{path}".removeprefix(f"{tagged or ref}/")
        found = forge.files.get(forge.tags.get(tagged, ref), {})
        data = next((found[each] for each in found if each.endswith(path)), None)
        return web.Response(body=data) if data is not None else web.Response(status=404)

    @table.get(f"{REPO}/contents/{{path:.+}}")
    async def contents(request: web.Request) -> web.Response:
        """A folder has no pages: whichever is asked for, it is all of it."""
        ref = request.query["ref"]
        found = forge.files.get(forge.tags.get(ref, ref), {})
        return web.json_response(entries(found, request.match_info["path"]))

    @table.get(f"{REPO}/git/commits/{{commit}}")
    async def commit(request: web.Request) -> web.Response:
        if (sha := request.match_info["commit"]) not in forge.files:
            return web.json_response({}, status=404)
        return web.json_response({"sha": sha, "commit": {"tree": {"sha": _tree_id(sha, "")}}})

    @table.get(f"{REPO}/git/trees/{{tree}}")
    async def tree(request: web.Request) -> web.Response:
        nodes = _trees(forge).get(request.match_info["tree"])
        if nodes is None:
            return web.json_response({}, status=400)
        found, number, more = page(request, nodes)
        return web.json_response(
            {"tree": found or None, "truncated": more, "page": number, "total_count": len(nodes)}
        )

    @table.get(f"{REPO}/git/blobs/{{blob}}")
    async def blob(request: web.Request) -> web.Response:
        known = {_blob_id(data): data for files in forge.files.values() for data in files.values()}
        data = known[request.match_info["blob"]]
        return web.json_response(
            {"encoding": "base64", "content": base64.b64encode(data).decode(), "size": len(data)}
        )

    app.add_routes(table)
    return app


def _tree_id(commit: str, folder: str) -> str:
    return hashlib.sha1(f"{commit}:{folder}".encode(), usedforsecurity=False).hexdigest()


def _blob_id(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _trees(forge: Forge) -> dict[str, list[dict[str, Any]]]:
    """Each folder of each commit, by its id."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for commit, files in forge.files.items():
        found.setdefault(_tree_id(commit, ""), {})
        for path, data in files.items():
            folder, _, name = path.rpartition("/")
            mode = "120000" if path in forge.links else "100644"
            file = {"path": name, "type": "blob", "mode": mode, "sha": _blob_id(data)}
            found.setdefault(_tree_id(commit, folder), {})[name] = file | {"size": len(data)}
            while folder:
                parent, _, name = folder.rpartition("/")
                node = {"path": name, "type": "tree", "mode": "040000", "size": 0}
                node["sha"] = _tree_id(commit, folder)
                found.setdefault(_tree_id(commit, parent), {})[name] = node
                folder = parent
    return {sha: [*nodes.values()] for sha, nodes in found.items()}


def _review(forge: Forge, one: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": one["id"],
        "user": user(forge, one["user"]),
        "state": _STATES[one["word"]],
        "body": "",
        "commit_id": one["commit"],
        "official": one.get("official", True),
        "stale": one.get("stale", False),
        "dismissed": one.get("dismissed", False),
        "submitted_at": stamp(one["at"]),
    }
