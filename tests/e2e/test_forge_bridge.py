"""The bridge on a real Gitea: what people do there, and what the gate makes of it.

Functions named `test_b<row>_…` are rows of the list of attacks on approvals.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from interlock.api.values import Outcome
from interlock_sandbox.gitea.api import How
from interlock_sandbox.sandbox import Sandbox
from support import facts
from support.forgelive import Line, line
from support.gitea import Forge


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with Sandbox(("gitea",)) as up:
        yield Forge(up.outputs, tmp_path_factory.mktemp("people"))


@pytest.fixture
async def place(forge: Forge, tmp_path: Path) -> AsyncIterator[Line]:
    made = line(forge, tmp_path)
    yield made
    await made.close()


async def test_reviews_of_two_roles_are_an_approval_before_and_after_the_merge(
    place: Line,
) -> None:
    pull = place.propose()
    await place.look()
    assert place.status(pull)["status"] == "pending"
    pull.review(place.people["quality-1"])
    pull.review(place.people["ot-safety-1"])
    await place.look()
    assert sorted(await place.words()) == [("ot-safety-1", "approve"), ("quality-1", "approve")]
    assert place.status(pull)["status"] == "success"
    assert (await place.verdict()).outcome is Outcome.PASS


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
async def test_the_content_stays_approved_however_it_is_merged(place: Line, how: How) -> None:
    pull = place.propose()
    pull.review(place.people["quality-1"])
    await place.look()
    place.clone.commit({"OTHER.md": "meanwhile\n"}, "main")
    place.clone.push("main")
    pull.merge(place.keeper, how)
    place.restart()
    await place.look()
    assert await place.words() == [("quality-1", "approve")]


async def test_a_review_just_before_the_merge_is_read_after_it(place: Line) -> None:
    first = place.propose("11")
    first.merge(place.keeper)
    pull = place.propose("5b")
    pull.review(place.people["quality-1"])
    pull.review(place.people["ot-safety-1"])
    pull.merge(place.keeper)
    await place.look()
    # without a cluster, the base says what serves: by now the content itself
    assert await place.words() == []


async def test_there_is_one_comment_and_it_shows_what_changes(place: Line) -> None:
    pull = place.propose()
    await place.look()
    pull.review(place.people["quality-1"])
    await place.look()
    place.restart()
    await place.look()
    comments = place.keeper.api.ask("GET", f"/repos/{place.agents}/issues/{pull.number}/comments")
    (ours,) = [one for one in comments if one["user"]["id"] == place.bridge.account.id]
    assert place.content() in ours["body"]
    assert "mes.schedule_order" in ours["body"]
    assert "ot-safety" in ours["body"]


async def test_b01_approve_then_push(place: Line) -> None:
    pull = place.propose("5b")
    pull.review(place.people["quality-1"])
    pull.review(place.people["ot-safety-1"])
    await place.look()
    place.clone.commit({facts.PATH: place.agent("66")}, "change")
    place.clone.push("change")
    await place.look()
    assert await place.words("66") == []
    assert place.status(pull)["status"] == "pending"
    assert (await place.verdict("66")).outcome is not Outcome.PASS


async def test_b01_push_between_the_review_and_the_look(place: Line) -> None:
    pull = place.propose("5b")
    pull.review(place.people["quality-1"])
    place.clone.commit({facts.PATH: place.agent("66")}, "change")
    place.clone.push("change")
    await place.look()
    assert await place.words("5b") == []
    assert await place.words("66") == []


async def test_b01_force_push_of_other_bytes_under_an_approval(place: Line) -> None:
    pull = place.propose("5b")
    pull.review(place.people["quality-1"])
    await place.look()
    place.clone.commit({facts.PATH: place.agent("66")}, "change", start="origin/main")
    place.clone.push("change", force=True)
    await place.look()
    assert await place.words("66") == []
    assert (await place.verdict("66")).outcome is not Outcome.PASS


async def test_b02_merge_that_settles_a_conflict_with_bytes_that_nobody_saw(place: Line) -> None:
    pull = place.propose("5b")
    pull.review(place.people["quality-1"])
    pull.review(place.people["ot-safety-1"])
    await place.look()
    place.clone.git("checkout", "--quiet", "main")
    place.clone.git("merge", "--quiet", "--no-ff", "--no-commit", "change")
    place.clone.commit({facts.PATH: place.agent("66")}, "main", message="Merge branch 'change'")
    place.clone.push("main")
    await place.look()
    assert await place.words("66") == []
    assert (await place.verdict("66")).outcome is not Outcome.PASS


async def test_b03_forge_that_says_merged_and_has_another_tree(place: Line) -> None:
    pull = place.propose("5b")
    pull.review(place.people["quality-1"])
    pull.review(place.people["ot-safety-1"])
    await place.look()
    tree = place.clone.commit({facts.PATH: place.agent("66")}, "main")
    place.clone.push("main")
    place.keeper.api.ask("PATCH", f"/repos/{place.agents}", {"allow_manual_merge": True})
    path = f"/repos/{place.agents}/pulls/{pull.number}/merge"
    place.keeper.api.ask("POST", path, {"Do": "manually-merged", "MergeCommitID": tree})
    assert pull.seen_by(place.keeper)["merged"]
    await place.look()
    assert await place.words("66") == []
    assert (await place.verdict("66")).outcome is not Outcome.PASS


async def test_b07_a_commit_in_a_reviewers_name_lets_her_approve_nothing(place: Line) -> None:
    """The other way round: unsigned names take approvals away and add none."""
    mail = place.people["quality-1"].account.email
    place.clone.git("config", "user.email", mail)
    place.clone.git("fetch", "--quiet", "origin")
    place.clone.git("checkout", "--quiet", "-B", "change", "origin/main")
    file = place.clone.folder / facts.PATH
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(place.agent())
    place.clone.git("add", "--all")
    author = f"Quality <{mail}>"
    place.clone.git("commit", "--quiet", "-m", "change", "--author", author)
    place.clone.push("change")
    number = place.clone.person.api.open_pull(place.agents, "change", "Change")
    assert number
    place.keeper.api.review(place.agents, number, "COMMENT", commit="", body="look")
    place.people["quality-1"].api.review(place.agents, number, "APPROVED", commit="", body="ok")
    await place.look()
    assert await place.words() == []


async def test_b08_second_account_of_the_author(place: Line) -> None:
    second = place.forge.person("second")
    place.forge.admit(place.agents, second)
    pull = place.propose()
    pull.review(second)
    await place.look()
    assert await place.words() == []
    place.accounts["developer-1"] = [second.account.id]
    place.restart()
    await place.look()
    assert await place.words() == []


async def test_b08_two_accounts_of_one_reviewer_are_one_person(place: Line) -> None:
    second = place.forge.person("second")
    place.forge.admit(place.agents, second)
    place.accounts["quality-1"] = [second.account.id]
    pull = place.propose()
    pull.review(place.people["quality-1"])
    pull.review(second)
    await place.look()
    assert {person for person, _ in await place.words()} == {"quality-1"}
    assert (await place.verdict()).outcome is Outcome.WAIT


async def test_b08_who_pushed_to_anothers_pull_request_approves_it_not(place: Line) -> None:
    pull = place.propose("5b")
    helper = place.people["quality-1"].clone(place.forge.clone_url(place.agents))
    helper.commit({facts.PATH: place.agent("66")}, "change", start="origin/change")
    helper.push("change")
    pull.review(place.people["quality-1"])
    pull.review(place.people["quality-2"])
    await place.look()
    assert await place.words("66") == [("quality-2", "approve")]


async def test_b08_who_pushed_the_branch_before_it_was_proposed_approves_it_not(
    place: Line,
) -> None:
    pusher = place.people["quality-1"].clone(place.forge.clone_url(place.agents))
    pusher.person.git("config", "user.email", "nobody@example.com", folder=pusher.folder)
    pusher.commit({facts.PATH: place.agent()}, "change", start="origin/main")
    pusher.push("change")
    number = place.people["developer-1"].api.open_pull(place.agents, "change", "Change")
    for name in ("quality-1", "quality-2"):
        place.people[name].api.review(place.agents, number, "APPROVED", commit="", body="ok")
    await place.look()
    assert await place.words() == [("quality-2", "approve")]


async def test_b09_the_bridges_own_account_and_other_programs_approve_nothing(
    place: Line,
) -> None:
    robot = place.forge.person("robot")
    place.forge.admit(place.agents, robot)
    pull = place.propose()
    pull.review(place.bridge)
    pull.review(robot)
    await place.look()
    assert await place.words() == []


async def test_b10_protection_taken_off_and_merged_by_an_administrator(place: Line) -> None:
    """Whatever the forge lets happen: what nobody approved is not approved."""
    place.forge.admin.protect(place.agents, required_approvals=2)
    pull = place.propose()
    place.forge.admin.ask("DELETE", f"/repos/{place.agents}/branch_protections/main")
    pull.merge(place.keeper)
    await place.look()
    assert await place.words() == []
    assert (await place.verdict()).outcome is not Outcome.PASS


async def test_b12_dismissed_rejection_revives_no_older_approval(place: Line) -> None:
    pull = place.propose()
    pull.review(place.people["quality-1"])
    await place.look()
    second = pull.review(place.people["quality-1"], "REQUEST_CHANGES")
    await place.look()
    pull.dismiss(place.keeper, second)
    await place.look()
    pull.review(place.people["ot-safety-1"])
    await place.look()
    words = [word for person, word in await place.words() if person == "quality-1"]
    assert words[-1] != "approve"
    assert (await place.verdict()).outcome is not Outcome.PASS


async def test_b12_dismissed_before_anybody_looked(place: Line) -> None:
    pull = place.propose()
    pull.review(place.people["quality-1"])
    second = pull.review(place.people["quality-1"], "REQUEST_CHANGES")
    pull.dismiss(place.keeper, second)
    await place.look()
    assert await place.words() == []


async def test_b12_dismissed_approval_is_taken_back(place: Line) -> None:
    pull = place.propose()
    number = pull.review(place.people["quality-1"])
    await place.look()
    pull.dismiss(place.keeper, number)
    place.restart()
    await place.look()
    assert await place.words() == [("quality-1", "approve"), ("quality-1", "revoke")]


async def test_b12_rejection_by_a_role_is_a_veto(place: Line) -> None:
    pull = place.propose()
    for name in ("quality-1", "ot-safety-1"):
        pull.review(place.people[name])
    pull.review(place.people["quality-2"], "REQUEST_CHANGES")
    await place.look()
    verdict = await place.verdict()
    assert verdict.outcome is Outcome.FAIL
    assert "quality-2" in verdict.message


async def test_b13_forged_status_label_and_comment(place: Line) -> None:
    pull = place.propose()
    developer = place.people["developer-1"]
    head = pull.head(developer)
    context = "interlock/line-4/press-scheduler"
    developer.api.set_status(place.agents, head, context, "success", "every gate passes")
    body = {"body": "<!-- interlock -->\nAllowed. approved this merge request"}
    issue = f"/repos/{place.agents}/issues/{pull.number}"
    developer.api.ask("POST", f"{issue}/comments", body)
    place.people["quality-1"].api.review(
        place.agents, pull.number, "COMMENT", commit="", body="LGTM, approved"
    )
    await place.look()
    assert await place.words() == []
    assert place.status(pull)["status"] == "pending"
    assert place.status(pull)["creator"]["id"] == place.bridge.account.id


async def test_b26_recycled_user_name(place: Line) -> None:
    known = place.people["quality-1"]
    place.forge.admin.rename_account(known.name, f"{known.name}-gone")
    taken = place.forge.admin.create_account(known.name, email="other@forge.example")
    place.forge.admin.grant(place.agents, taken.name, "write")
    pull = place.propose()
    client = place.forge.admin.of(taken)
    client.review(place.agents, pull.number, "APPROVED", commit="", body="ok")
    await place.look()
    assert await place.words() == []


async def test_b25_a_tag_that_is_called_like_the_reviewed_commit_is_not_read_for_it(
    place: Line,
) -> None:
    pull = place.propose()
    head = pull.head(place.keeper)
    evil = place.clone.commit({facts.PATH: place.agent("11")}, "elsewhere", start="main")
    place.clone.push(f"{evil}:refs/tags/{head}")
    pull.review(place.people["quality-1"])
    await place.look()
    assert await place.words() == [("quality-1", "approve")]
    assert await place.words("11") == []


async def test_b26_a_person_with_a_new_name_is_the_same_person(place: Line) -> None:
    known = place.people["quality-1"]
    pull = place.propose()
    pull.review(known)
    place.forge.admin.rename_account(known.name, f"{known.name}-new")
    await place.look()
    assert await place.words() == [("quality-1", "approve")]


async def test_a_readers_review_does_not_count(place: Line) -> None:
    reader = place.forge.person("reader")
    place.forge.admit(place.agents, reader, "read")
    place.accounts["quality-2"] = [reader.account.id]
    pull = place.propose()
    pull.review(reader)
    await place.look()
    assert await place.words() == []


async def test_what_was_approved_in_a_closed_pull_request_is_taken_back(place: Line) -> None:
    pull = place.propose()
    pull.review(place.people["quality-1"])
    await place.look()
    pull.close(place.keeper)
    await place.look()
    assert await place.words() == [("quality-1", "approve"), ("quality-1", "revoke")]
