"""The sandbox's Gitea does what Interlock relies on: over its real API, with real users."""

import hashlib
import hmac
import json
import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

import pytest

from interlock_sandbox.gitea.api import ForgeError, How
from interlock_sandbox.process import http_ok
from interlock_sandbox.sandbox import Sandbox
from support.gitea import Clone, Forge, Person, Pull
from support.kube import until

APPROVAL = f"refs/approvals/{'ab' * 32}"
AGENT = {"agents/press.yaml": "kind: AgentDeployment\n"}
CHANGED = {"agents/press.yaml": "kind: AgentDeployment # changed\n"}


class Team(NamedTuple):
    """A repository with somebody who writes, somebody who reviews and somebody who looks after."""

    repository: str
    author: Person
    reviewer: Person
    keeper: Person
    clone: Clone


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(("gitea",)) as up:
        yield up


@pytest.fixture(scope="module")
def forge(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Forge:
    return Forge(sandbox.outputs, tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def people(forge: Forge) -> tuple[Person, Person, Person]:
    return forge.person("author"), forge.person("reviewer"), forge.person("keeper")


@pytest.fixture
def team(forge: Forge, people: tuple[Person, Person, Person]) -> Team:
    author, reviewer, keeper = people
    repository = forge.repository("line-4/agents", author, reviewer)
    forge.admit(repository, keeper, "admin")
    clone = forge.started(repository, author, AGENT)
    return Team(repository, author, reviewer, keeper, clone)


def proposed(forge: Forge, team: Team) -> tuple[Pull, str]:
    return forge.propose(team.repository, team.clone, "change", CHANGED)


def test_it_comes_up_without_privileges_and_keeps_its_secrets(sandbox: Sandbox) -> None:
    status = Path(f"/proc/{sandbox.state.pids['gitea']}/status").read_text().splitlines()
    said = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert said["CapEff"].strip("0") == ""
    files = [value for name, value in sandbox.outputs.items() if "admin_" in name and "/" in value]
    assert len(files) == 2
    assert {stat.S_IMODE(Path(file).stat().st_mode) for file in files} == {0o600}
    assert not http_ok(sandbox.outputs["gitea_url"])  # nobody else's authority vouches for it
    assert http_ok(f"{sandbox.outputs['gitea_url']}/", Path(sandbox.outputs["gitea_ca_file"]))


def test_who_has_no_account_sees_nothing(forge: Forge, team: Team) -> None:
    stranger = forge.person("stranger")
    with pytest.raises(ForgeError) as refused:
        stranger.api.ask("GET", f"/repos/{team.repository}")
    assert refused.value.status == 404
    nobody = type(forge.admin)(forge.url, forge.admin.ca_file, "no-token")
    with pytest.raises(ForgeError) as refused:
        nobody.ask("GET", f"/repos/{team.repository}")
    assert refused.value.status == 401


def test_a_review_tells_who_of_what_and_whether_it_counts(forge: Forge, team: Team) -> None:
    pull, head = proposed(forge, team)
    number = pull.review(team.reviewer, body="reviewed")
    review = pull.reviews(team.author)[number]
    assert (review["state"], review["commit_id"], review["user"]["id"]) == (
        "APPROVED",
        head,
        team.reviewer.account.id,
    )
    assert (review["official"], review["stale"], review["dismissed"]) == (True, False, False)


def test_an_author_cannot_review_herself(forge: Forge, team: Team) -> None:
    pull, _ = proposed(forge, team)
    with pytest.raises(ForgeError) as refused:
        pull.review(team.author)
    assert refused.value.status == 422


def test_a_readers_review_is_not_official(forge: Forge, team: Team) -> None:
    reader = forge.person("reader")
    forge.admit(team.repository, reader, "read")
    pull, _ = proposed(forge, team)
    number = pull.review(reader)
    assert pull.reviews(team.author)[number]["official"] is False


def test_a_later_push_makes_a_review_stale(forge: Forge, team: Team) -> None:
    pull, head = proposed(forge, team)
    number = pull.review(team.reviewer)
    later = team.clone.commit({"agents/press.yaml": "kind: Other\n"}, "change")
    team.clone.push("change")
    until(lambda: pull.reviews(team.author)[number]["stale"], "the review is stale")
    assert pull.reviews(team.author)[number]["commit_id"] == head
    assert pull.head(team.author) == later


def test_a_force_push_makes_a_review_stale(forge: Forge, team: Team) -> None:
    pull, head = proposed(forge, team)
    number = pull.review(team.reviewer)
    other = team.clone.commit({"agents/press.yaml": "kind: Other\n"}, "change", start="origin/main")
    assert "rejected" in team.clone.refused("change")
    team.clone.push("change", force=True)
    until(lambda: pull.reviews(team.author)[number]["stale"], "the review is stale")
    assert pull.head(team.author) == other != head


def test_a_review_is_dismissed(forge: Forge, team: Team) -> None:
    pull, _ = proposed(forge, team)
    number = pull.review(team.reviewer)
    with pytest.raises(ForgeError) as refused:
        pull.dismiss(team.author, number)
    assert refused.value.status == 403
    pull.dismiss(team.keeper, number)
    assert pull.reviews(team.author)[number]["dismissed"] is True


def test_a_newer_review_takes_the_force_of_an_older_one(forge: Forge, team: Team) -> None:
    pull, _ = proposed(forge, team)
    first = pull.review(team.reviewer)
    second = pull.review(team.reviewer, "REQUEST_CHANGES")
    reviews = pull.reviews(team.author)
    assert [reviews[number]["state"] for number in (first, second)] == [
        "APPROVED",
        "REQUEST_CHANGES",
    ]
    assert [reviews[number]["official"] for number in (first, second)] == [False, True]


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_merges_of_three_kinds(forge: Forge, team: Team, how: How) -> None:
    pull, head = proposed(forge, team)
    team.clone.commit({"README.md": "meanwhile\n"}, "main")
    team.clone.push("main")
    before = team.clone.tip("refs/heads/main")
    merged = pull.merge(team.keeper, how, head=head)
    assert team.clone.tip("refs/heads/main") == merged != head
    team.clone.git("fetch", "-q", "origin")
    shown = team.clone.git("show", f"{merged}:agents/press.yaml")
    assert shown == CHANGED["agents/press.yaml"].strip()
    parents = team.clone.git("rev-parse", f"{merged}^@").split()
    assert parents == ([before, head] if how == "merge" else [before])
    assert pull.seen_by(team.author)["merged"] is True


def test_only_the_head_that_was_seen_is_merged(forge: Forge, team: Team) -> None:
    pull, head = proposed(forge, team)
    team.clone.commit({"agents/press.yaml": "kind: Other\n"}, "change")
    team.clone.push("change")
    with pytest.raises(ForgeError) as refused:
        pull.merge(team.keeper, head=head)
    assert refused.value.status == 409


def test_a_check_holds_a_merge_up(forge: Forge, team: Team) -> None:
    bridge = forge.person("bridge")
    forge.admit(team.repository, bridge)
    forge.admin.protect(
        team.repository, enable_status_check=True, status_check_contexts=["interlock"]
    )
    pull, head = proposed(forge, team)
    with pytest.raises(ForgeError) as refused:
        pull.merge(team.reviewer, head=head)
    assert refused.value.status == 405
    for state in ("failure", "success"):
        bridge.api.set_status(team.repository, head, "interlock", state, f"it is a {state}")
    check = team.author.api.statuses(team.repository, head)["interlock"]
    assert (check["status"], check["creator"]["id"]) == ("success", bridge.account.id)
    assert pull.merge(team.reviewer, head=head)


def test_approvals_lie_on_refs_of_their_own(forge: Forge, team: Team) -> None:
    reader = forge.person("reader")
    forge.admit(team.repository, reader, "read")
    head = team.clone.git("rev-parse", "HEAD")
    team.clone.push(f"HEAD:{APPROVAL}")
    copy = reader.clone(forge.clone_url(team.repository))
    copy.git("fetch", "-q", "origin", f"{APPROVAL}:{APPROVAL}")
    assert copy.git("rev-parse", APPROVAL) == head
    assert "permission denied for writing" in copy.refused(f"HEAD:{APPROVAL}-2")


def test_a_name_changes_and_its_number_stays(forge: Forge) -> None:
    person = forge.person("renamed")
    forge.admin.rename_account(person.name, f"{person.name}-now")
    said = person.api.ask("GET", "/user")
    assert (said["id"], said["login"]) == (person.account.id, f"{person.name}-now")
    other = forge.admin.create_account(person.name, email="other@forge.example")
    assert other.id != person.account.id


def test_a_push_is_told_with_a_signature(forge: Forge, team: Team) -> None:
    heard: Queue[tuple[str, bytes]] = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.put((self.headers["X-Gitea-Signature"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/wake"
            team.keeper.api.create_webhook(team.repository, url, "hook-secret", ("push",))
            head = team.clone.commit(CHANGED, "main")
            team.clone.push("main")
            told = iter(lambda: heard.get(timeout=30), None)  # earlier pushes may come, too
            signature, body = next(one for one in told if json.loads(one[1])["after"] == head)
        finally:
            server.shutdown()
            thread.join()
    expected = hmac.new(b"hook-secret", body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signature, expected)


def test_many_reviews_come_in_pages(forge: Forge, team: Team) -> None:
    pull, _ = proposed(forge, team)
    made = [pull.review(team.reviewer, "COMMENT", body=str(number)) for number in range(53)]
    assert list(pull.reviews(team.author)) == made


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    with Sandbox(("gitea",)) as up:
        home, pid = up.home, up.state.pids["gitea"]
        assert os.path.exists(f"/proc/{pid}")
    until(lambda: not home.exists() and not os.path.exists(f"/proc/{pid}"), "it is gone")
