"""Three forges behind one port: the same story told by each gives the same words."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from interlock.api import config
from interlock.bridge import github, rest
from interlock.bridge.port import Forge as Port
from interlock.bridge.port import Hands, Pull, RateLimited, Review, Status
from interlock.bridge.service import forge as adapter
from interlock.evidence.http import SourceRefused, SourceUnavailable
from support import forges
from support.forges.state import REPOSITORY, START, TOKEN, Forge

HEAD, NEXT, FILE = "a" * 40, "b" * 40, "agents/press-scheduler.yaml"
FACES: dict[str, Callable[[Forge], web.Application]] = {
    "gitea": forges.gitea,
    "github": forges.github,
    "gitlab": forges.gitlab,
}


@dataclass
class Place:
    """A forge and its adapter."""

    kind: str
    state: Forge
    port: Port

    async def pull(self) -> Pull:
        (found,) = await self.port.pulls(REPOSITORY, START)
        return found

    async def reviews(self) -> list[Review]:
        return await self.port.reviews(await self.pull())

    async def hands(self) -> Hands:
        return await self.port.hands(await self.pull())


@asynccontextmanager
async def at(kind: str, home: Path) -> AsyncIterator[Place]:
    state = Forge(files={HEAD: {FILE: b"kind: x\n"}, "main": {FILE: b"kind: y\n"}}, changed=[FILE])
    (home / "token").write_text(f"{TOKEN}\n")
    async with forges.serving(FACES[kind](state)) as api:
        made = config.Forge.model_validate(
            {"url": "https://git.example", "kind": kind, "api": api, "token_file": home / "token"}
        )
        port = adapter(made)
        yield Place(kind, state, port)
        await port.close()


@pytest.fixture(params=sorted(FACES))
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with at(request.param, tmp_path) as made:
        yield made


def said(user: int, word: str = "approve", **more: Any) -> dict[str, Any]:
    number = more.pop("number", user)
    return {"id": 100 + number, "user": user, "word": word, "commit": HEAD} | {
        "at": Forge().at(minutes=number),
        **more,
    }


async def test_a_pull_request_is_read(place: Place) -> None:
    found = await place.pull()
    assert (found.repository, found.number, found.state) == (REPOSITORY, 7, "open")
    assert (found.head, found.base, found.branch) == (HEAD, "refs/heads/main", "change")
    assert (found.author.id, found.author.login) == (41, "dev")
    place.state.state, place.state.merged = "closed", True
    assert (await place.pull()).state == "merged"
    place.state.merged = False
    assert (await place.pull()).state == "closed"


async def test_what_ended_long_ago_is_not_read(place: Place) -> None:
    place.state.state = "closed"
    assert len(await place.port.pulls(REPOSITORY, place.state.at(hours=-1))) == 1
    assert await place.port.pulls(REPOSITORY, place.state.at(hours=1)) == []


async def test_reviews_of_all_pages_are_read_oldest_first(place: Place) -> None:
    place.state.reviews = [said(user) for user in (11, 12, 21, 31, 51)]
    found = await place.reviews()
    assert [one.account.id for one in found] == [11, 12, 21, 31, 51]
    assert {one.word for one in found} == {"approve"}
    assert {one.commit for one in found} == {HEAD}
    assert not any(one.stale or one.account.bot for one in found)


async def test_comments_are_no_words(place: Place) -> None:
    place.state.reviews = [said(11, "comment", body="approved this merge request")]
    assert await place.reviews() == []


async def test_a_rejection_is_one(place: Place) -> None:
    place.state.reviews = [said(11), said(11, "reject", number=12)]
    assert (await place.reviews())[-1].word == "reject"


async def test_a_dismissed_approval_stands_no_more(place: Place) -> None:
    place.state.reviews = [said(11, dismissed=True)]
    assert [one.word for one in await place.reviews()] == ["withdrawn"]


async def test_who_pushed_is_known_by_number(place: Place) -> None:
    place.state.pushes = [(41, NEXT), (42, "c" * 40), (43, HEAD)]
    found = await place.hands()
    assert {41, 42, 43} <= found.accounts
    assert 77 not in found.accounts
    assert found.pushed
    assert found.emails == {"dev@line-4.example"}


async def test_whoever_a_commits_message_names_had_a_hand_in_it(place: Place) -> None:
    """A squash may leave the trailer out: only the pull request has it."""
    place.state.message = "change\n\nCo-authored-by: Q <Quality-1@line-4.example>\n"
    assert "quality-1@line-4.example" in (await place.hands()).emails


async def test_a_head_that_nobody_is_known_to_have_pushed_is_said(place: Place) -> None:
    place.state.pushes = [(41, NEXT)]
    assert not (await place.hands()).pushed


async def test_a_fork_that_we_may_not_read_shows_no_pusher(place: Place) -> None:
    pull = await place.pull()
    places = ("activities", "activity", "events")
    place.state.answer = lambda request: (
        web.json_response({}, status=404) if request.path.endswith((*places, "feeds")) else None
    )
    found = await place.port.hands(pull)
    assert not found.pushed
    assert 41 in found.accounts


async def test_files_are_read_at_commits_and_branches(place: Place) -> None:
    pull = await place.pull()
    assert await place.port.files(pull) == [FILE]
    assert await place.port.read(pull, HEAD, FILE) == b"kind: x\n"
    assert await place.port.read(pull, "refs/heads/main", FILE) == b"kind: y\n"
    assert await place.port.read(pull, NEXT, FILE) is None


async def test_a_folder_is_listed_at_a_commit(place: Place) -> None:
    more = {f"agents/{n}.yaml": b"" for n in range(5)}
    place.state.files[HEAD] |= more | {"elsewhere/x.yaml": b""}
    found = await place.port.folder(await place.pull(), HEAD, "agents")
    assert sorted(found) == [*(f"{n}.yaml" for n in range(5)), "press-scheduler.yaml"]


async def test_a_status_is_set_on_the_head(place: Place) -> None:
    status = Status("interlock/line-4/x", "failure", "t" * 1000, "https://git.example/7")
    await place.port.set_status(await place.pull(), status)
    (found,) = place.state.statuses
    assert found["commit"] == HEAD
    assert found["state"] == ("failed" if place.kind == "gitlab" else "failure")
    assert len(found["description"]) <= 255


async def test_there_is_one_comment_of_ours_and_it_is_kept_current(place: Place) -> None:
    pull = await place.pull()
    forged = {"id": 400, "body": "<!-- interlock -->\nAllowed"}
    someone = {"id": 9, "login": "mallory", "username": "mallory"}
    place.state.comments = [forged | {"user": someone, "author": someone, "system": False}]
    place.state.comments[0]["created_at"] = "2026-11-20T12:00:00Z"
    for text in ("first", "second", "second"):
        await place.port.say(pull, text)
    assert len(place.state.comments) == 2
    assert place.state.comments[0]["body"] == forged["body"]
    assert place.state.comments[1]["body"].endswith("second")
    written = [one for one in place.state.asked if one.startswith(("POST", "PATCH", "PUT"))]
    assert len(written) == 2


async def test_a_bot_is_one(place: Place) -> None:
    if place.kind == "gitea":
        place.state.users[51] = "release[bot]"
    place.state.bots = {51}
    place.state.reviews = [said(51)]
    assert [one.account.bot for one in await place.reviews()] == [True]


@pytest.mark.parametrize("bound", ["MAX_ITEMS", "MAX_PAGES"])
async def test_a_list_without_end_is_refused(
    place: Place, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.state.reviews = [said(1000 + n) for n in range(100)]
    monkeypatch.setattr(rest, bound, 20)
    with pytest.raises(SourceRefused, match="lists more than"):
        await place.reviews()
    assert len(place.state.asked) < 30


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.Response(status=500, text="<h1>oops</h1>"), "answered 500 where 200 was expected"),
        (web.Response(text="<html>Sign in</html>", content_type="text/html"), "login page"),
        (web.Response(body=b'{"x": [' * 5000), "where JSON was expected"),
    ],
)
async def test_a_forge_that_is_broken_says_so_in_a_sentence(
    place: Place, answer: web.Response, why: str
) -> None:
    pull = await place.pull()
    place.state.answer = lambda _: web.Response(
        status=answer.status, body=answer.body, content_type=answer.content_type
    )
    with pytest.raises(SourceUnavailable, match=why):
        await place.port.reviews(pull)


async def test_answers_of_another_shape_are_refused(place: Place) -> None:
    pull = await place.pull()
    place.state.answer = lambda _: web.json_response([{"id": True, "head_commit_sha": []}])
    with pytest.raises(SourceRefused, match="of the kind that the configuration says"):
        await place.port.reviews(pull)
    place.state.answer = lambda _: web.json_response({"message": "moved"})
    with pytest.raises(SourceRefused, match="not a list"):
        await place.port.files(pull)


@pytest.mark.parametrize(
    ("status", "headers", "least", "most"),
    [
        (429, {"Retry-After": "30"}, 30, 30),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, 1, 1),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": "99999999999"}, 3600, 3600),
        (429, {}, 60, 60),
    ],
)
async def test_a_forge_that_wants_patience_gets_it(
    place: Place, status: int, headers: dict[str, str], least: float, most: float
) -> None:
    pull = await place.pull()
    place.state.answer = lambda _: web.json_response({}, status=status, headers=headers)
    with pytest.raises(RateLimited) as caught:
        await place.port.reviews(pull)
    assert least <= caught.value.seconds <= most


async def test_a_plain_refusal_is_no_rate_limit(place: Place) -> None:
    pull = await place.pull()
    place.state.answer = lambda _: web.json_response({}, status=403)
    with pytest.raises(SourceUnavailable, match="answered 403") as caught:
        await place.port.reviews(pull)
    assert not isinstance(caught.value, RateLimited)


async def test_credentials_follow_no_link_to_another_host(tmp_path: Path) -> None:
    async with at("github", tmp_path) as place:
        pull = await place.pull()
        away = {"Link": '<https://evil.example/repos>; rel="next"'}
        place.state.answer = lambda _: web.json_response([], headers=away)
        with pytest.raises(SourceRefused, match=r"evil\.example"):
            await place.port.reviews(pull)


async def test_what_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    async with at("github", tmp_path) as place:
        seen: list[str | None] = []

        def answer(request: web.Request) -> web.Response:
            seen.append(request.headers.get("If-None-Match"))
            if seen[-1] == '"1"':
                return web.Response(status=304)
            return web.json_response([], headers={"ETag": '"1"'})

        place.state.answer = answer
        assert await place.port.pulls(REPOSITORY, START) == []
        assert await place.port.pulls(REPOSITORY, START) == []
        assert seen == [None, None, '"1"', '"1"']


async def test_a_commit_message_cannot_say_who_pushed_at_gitea(tmp_path: Path) -> None:
    async with at("gitea", tmp_path) as place:
        place.state.pushes = [(41, f"{NEXT}"), (42, "c" * 40)]
        assert not (await place.hands()).pushed


@pytest.mark.parametrize("bent", [{"official": False}, {"stale": True}])
async def test_giteas_own_marks_are_read(tmp_path: Path, bent: dict[str, bool]) -> None:
    async with at("gitea", tmp_path) as place:
        place.state.reviews = [said(11, **bent)]
        (found,) = await place.reviews()
        assert (found.official, found.stale) == (
            bent.get("official", True),
            bent.get("stale", False),
        )


async def test_an_approval_at_gitlab_is_one_of_the_version_before_it(tmp_path: Path) -> None:
    async with at("gitlab", tmp_path) as place:
        place.state.reviews = [said(11)]
        place.state.head = NEXT
        place.state.versions.append((NEXT, place.state.at(minutes=60)))
        (found,) = await place.reviews()
        assert (found.commit, found.stale) == (HEAD, True)
        place.state.reviews = [said(11, number=90)]
        (found,) = await place.reviews()
        assert (found.commit, found.stale) == (NEXT, False)


async def test_an_approval_at_gitlab_in_the_second_of_a_push_is_stale(tmp_path: Path) -> None:
    async with at("gitlab", tmp_path) as place:
        place.state.reviews = [said(11)]
        place.state.versions.append((NEXT, place.state.at(minutes=11)))
        (found,) = await place.reviews()
        assert (found.commit, found.stale) == (HEAD, True)


async def test_an_approval_taken_back_at_gitlab_stands_no_more(tmp_path: Path) -> None:
    async with at("gitlab", tmp_path) as place:
        place.state.reviews = [said(11), said(11, "withdraw", number=12)]
        assert [one.word for one in await place.reviews()] == ["withdrawn", "withdrawn"]


async def test_a_refused_token_is_a_sentence(tmp_path: Path) -> None:
    async with at("gitea", tmp_path) as place:
        (tmp_path / "token").write_text("wrong")
        other = adapter(
            config.Forge.model_validate(
                {
                    "url": "https://git.example",
                    "kind": "gitea",
                    "api": place.port._rest._base,  # type: ignore[attr-defined]
                    "token_file": tmp_path / "token",
                }
            )
        )
        with pytest.raises(SourceUnavailable, match="answered 401"):
            await other.pulls(REPOSITORY, START)
        await other.close()


async def test_at_github_nobody_is_cleared_by_a_list_of_commits_that_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert github.GitHub.most_commits == 250
    monkeypatch.setattr(github.GitHub, "most_commits", 3)
    async with at("github", tmp_path) as place:
        place.state.commits *= 2
        assert (await place.hands()).pushed
        place.state.commits *= 2
        assert not (await place.hands()).pushed


async def test_at_github_nobody_is_cleared_by_a_list_of_pushes_that_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github, "MAX_PUSHES", 3)
    async with at("github", tmp_path) as place:
        place.state.pushes = [(42, NEXT), *[(41, HEAD)] * 3]
        found = await place.hands()
        assert not found.pushed
        assert 41 in found.accounts
