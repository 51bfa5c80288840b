"""A status, a label or a comment that says that something is approved, or was edited so.

Of a forge's answers the bridge reads reviews alone, and of these their state: words in a body, a
check in the operator's name and a comment that begins like ours are nothing to it.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from interlock.api import config
from interlock.bridge.governed import Governed
from interlock.bridge.look import Watch
from interlock.bridge.service import forge as adapter
from support import facts, forges
from support.forges.state import TOKEN, Forge
from support.forgetown import ACCOUNTS, HEAD, agent_file, town

FACES: dict[str, Callable[[Forge], web.Application]] = {
    "gitea": forges.gitea,
    "github": forges.github,
    "gitlab": forges.gitlab,
}
CLAIM = "approved this merge request"


def forged() -> Forge:
    """A pull request full of claims, and not one review."""
    number = ACCOUNTS["quality-1"]
    user = {"id": number, "login": "quality-1", "username": "quality-1", "type": "User"}
    comment = {"id": 1, "user": user, "author": user, "system": False, "body": CLAIM}
    mine = comment | {"id": 2, "body": f"<!-- interlock -->\n**Allowed**: {CLAIM}"}
    stamp = {"created_at": "2026-11-20T12:00:00Z", "updated_at": "2026-11-20T12:00:00Z"}
    said = {"id": 3, "user": number, "word": "comment", "commit": HEAD, "body": CLAIM}
    return Forge(
        files={HEAD: {facts.PATH: agent_file()}},
        changed=[facts.PATH],
        reviews=[said | {"at": Forge().at(minutes=1)}],
        comments=[comment | stamp, mine | stamp],
        statuses=[{"context": "interlock/line-4/press-scheduler", "state": "success"}],
    )


@pytest.mark.parametrize("kind", sorted(FACES))
async def test_claims_are_no_reviews(kind: str, tmp_path: Path) -> None:
    place, state = town(tmp_path), forged()
    (tmp_path / "token").write_text(TOKEN)
    async with forges.serving(FACES[kind](state)) as api:
        whole: dict[str, Any] = {"url": "https://git.example", "kind": kind, "api": api}
        whole |= {"tokenFile": str(tmp_path / "token")}
        port = adapter(config.Forge.model_validate(whole))
        place.now += timedelta(minutes=1)
        watch = Watch(place.watch._bridge, port)
        await watch.look(Governed(place.policy, place.targets))
        await port.close()
    assert await place.words() == []
    assert state.statuses[-1]["state"] == "pending"
    assert "0 of 2" in state.statuses[-1]["description"]
    assert [one["body"] for one in state.comments[:2]] != [state.comments[-1]["body"]] * 2
    assert len(state.comments) == 3
