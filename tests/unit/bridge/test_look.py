"""What a look at a forge leaves in git and says in the pull request."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from interlock.api import digests
from interlock.evidence.http import SourceRefused
from support import facts, policies
from support.forgetown import (
    ACCOUNTS,
    FORGE,
    HEAD,
    NEXT,
    START,
    Town,
    agent_file,
    documents,
    pull,
    review,
    town,
)

OTHER = facts.subject(image=f"registry.example/agents/press-scheduler@sha256:{'6c' * 32}").digest


@pytest.fixture
def place(tmp_path: Path) -> Town:
    return town(tmp_path)


async def test_what_counts_is_signed_as_a_forges_word_about_the_content(place: Town) -> None:
    await place.look(review("quality-1"))
    (found,) = await place.recorded()
    assert (found.strength, found.person, found.role) == ("forge", "quality-1", "quality")
    assert (found.environment, found.namespace) == ("production", policies.NAMESPACE)
    assert (found.repository, found.ref, found.path) == (
        policies.REPOSITORY,
        "refs/heads/main",
        facts.PATH,
    )
    assert found.predecessor == "none"
    assert found.account is not None
    assert (found.account.forge, found.account.id) == (FORGE, ACCOUNTS["quality-1"])
    assert found.key == policies.fingerprint("bridge")
    assert found.not_after == facts.at(f"{START:%FT%TZ}", hours=72)  # since the review


async def test_a_second_look_writes_nothing_and_says_nothing(place: Town) -> None:
    await place.look(review("quality-1"))
    statuses, comments = len(place.forge.statuses), len(place.forge.comments)
    await place.look()
    await place.look()
    assert await place.words() == [("quality-1", "approve")]
    assert (len(place.forge.statuses), len(place.forge.comments)) == (statuses, comments)


async def test_the_check_turns_with_the_last_review(place: Town) -> None:
    await place.look(review("quality-1"))
    assert place.forge.statuses[-1].verdict == "pending"
    assert "ot-safety" in place.forge.statuses[-1].text
    await place.look(review("quality-1"), review("ot-safety-1"))
    assert place.forge.statuses[-1].verdict == "success"
    assert place.forge.statuses[-1].context == "interlock/line-4/press-scheduler"
    assert "every gate would pass" in place.forge.statuses[-1].text


async def test_the_comment_shows_digest_difference_and_verdict(place: Town) -> None:
    place.forge.commits["refs/heads/main"] = {facts.PATH: agent_file(riskTier="safety")}
    await place.look(review("quality-1"))
    text = place.forge.comments[-1]
    assert facts.CONTENT in text
    assert "riskTier  safety → high" in text
    assert "change-approval" in text


async def test_pinned_config_maps_are_read_from_beside_the_file(place: Town) -> None:
    data = {"schema.json": "{}"}
    pin = {"configMap": "tools-1a2b", "digest": f"sha256:{digests.config_map(data)}"}
    tool = facts.spec()["tools"][0] | {"schema": pin}
    beside = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tools-1a2b"}}
    files = {facts.PATH: agent_file(tools=[tool])}
    place.forge.commits[HEAD] = files
    await place.look()
    assert "tools[mes.schedule_order].schema.digest is not there" in place.forge.comments[-1]
    text = yaml.safe_dump(beside | {"immutable": True, "data": data}).encode()
    place.forge.commits[NEXT] = files | {"agents/tools-1a2b.yaml": text}
    place.forge.listed = [pull(head=NEXT)]
    await place.look()
    assert "pins, all true" in place.forge.comments[-1]


async def test_a_dismissal_is_written_as_a_revocation_once(place: Town) -> None:
    await place.look(review("quality-1"))
    await place.look(review("quality-1", "withdrawn"))
    await place.look()
    assert await place.words() == [("quality-1", "approve"), ("quality-1", "revoke")]


async def test_what_was_taken_back_needs_a_new_review(place: Town) -> None:
    await place.look(review("quality-1"))
    await place.look(review("quality-1", "withdrawn"))
    await place.look(review("quality-1"))
    assert (await place.words())[-1] == ("quality-1", "revoke")
    await place.look(review("quality-1", "withdrawn"), review("quality-1", "approve", 1))
    assert (await place.words())[-1] == ("quality-1", "approve")


async def test_a_dismissal_does_not_outlive_a_new_approval_of_the_same_content(
    place: Town,
) -> None:
    await place.look(review("quality-1"))
    place.forge.commits[NEXT] = place.forge.commits[HEAD]
    place.forge.listed = [pull(head=NEXT)]
    again = review("quality-1", "approve", 1, commit=NEXT)
    await place.look(review("quality-1", "withdrawn"), again)
    await place.look()
    assert await place.words() == [("quality-1", "approve"), ("quality-1", "approve")]


async def test_a_push_moves_approvals_to_nothing_and_rejections_stay_where_they_were(
    place: Town,
) -> None:
    await place.look(review("quality-1"))
    image = f"registry.example/agents/press-scheduler@sha256:{'6c' * 32}"
    place.forge.commits[NEXT] = {facts.PATH: agent_file(image=image)}
    place.forge.listed = [pull(head=NEXT)]
    await place.look(review("quality-1"), review("ot-safety-1", "reject"))
    assert await place.words(OTHER) == []
    assert await place.words() == [("quality-1", "approve"), ("ot-safety-1", "reject")]
    assert place.forge.statuses[-1].verdict != "success"


async def test_a_rejection_reaches_a_file_that_the_pull_request_dropped(place: Town) -> None:
    await place.look(review("quality-1"))
    place.forge.listed, place.forge.changed = [pull(head=NEXT)], []
    await place.look(review("quality-1"), review("quality-1", "reject", 1))
    assert await place.words() == [
        ("quality-1", "approve"),
        ("quality-1", "reject"),
        ("quality-1", "revoke"),
    ]


async def test_closing_takes_back_and_says_nothing_more(place: Town) -> None:
    await place.look(review("quality-1"))
    said = len(place.forge.statuses)
    place.forge.listed = [pull(state="closed")]
    await place.look()
    assert (await place.words())[-1] == ("quality-1", "revoke")
    assert len(place.forge.statuses) == said


async def test_two_roles_of_one_person_are_two_words_of_one_person(tmp_path: Path) -> None:
    made = documents()
    made["people"]["people"][0]["roles"] = ["quality", "ot-safety", "sre"]
    place = town(tmp_path, people=made["people"])
    await place.look(review("quality-1"))
    assert sorted(one.role for one in await place.recorded()) == ["ot-safety", "quality"]
    assert len({one.nonce for one in await place.recorded()}) == 2
    assert place.forge.statuses[-1].verdict == "pending"


async def test_what_somebody_else_wrote_under_our_name_hides_nothing(place: Town) -> None:
    await place.look(review("quality-1"))
    (found,) = await place.recorded()
    other = {f"quality-1.{found.nonce}.dsse.json": b"{}", "x.json": b"\xff"}
    fake = town(place.home / "fake")
    fake.repo.commit(other, ref=f"refs/approvals/{facts.CONTENT}")
    recorded = await fake.ledger.recorded(fake.repo.url, facts.CONTENT, found.key)
    assert recorded == []


async def test_a_push_of_somebody_else_in_between_is_kept(place: Town) -> None:
    ref = f"refs/approvals/{facts.CONTENT}"
    await place.look(review("quality-1"))
    tree = place.repo.git("ls-tree", ref)
    blob = place.repo.blob(b"{}")
    entries = [line.split(maxsplit=3) for line in tree.splitlines()]
    listed = [(mode, name, sha) for mode, _, sha, name in entries]
    place.repo.commit_tree(place.repo.tree(*listed, ("100644", "other.json", blob)), ref=ref)
    await place.look(review("quality-1"), review("ot-safety-1"))
    assert "other.json" in place.repo.git("ls-tree", ref)
    assert place.repo.git("ls-tree", ref).count("dsse.json") == 2


async def test_what_serves_already_is_not_approved_again(place: Town) -> None:
    place.forge.commits["refs/heads/main"] = place.forge.commits[HEAD]
    await place.look(review("quality-1"))
    assert await place.words() == []


async def test_a_pull_request_that_touches_no_agent_is_left_alone(place: Town) -> None:
    place.forge.changed = ["README.md", "elsewhere/agent.yaml"]
    await place.look(review("quality-1"))
    assert place.forge.statuses == []
    assert place.forge.comments == []


async def test_another_base_than_governance_names_delivers_nothing(place: Town) -> None:
    place.forge.listed = [pull(base="refs/heads/dev")]
    await place.look(review("quality-1"))
    assert await place.words() == []
    assert place.forge.statuses == []


async def test_a_file_that_is_no_agent_is_said(place: Town) -> None:
    place.forge.commits[HEAD] = {facts.PATH: b"kind: AgentDeployment\nkind: x\n"}
    await place.look(review("quality-1"))
    assert "occurs twice" in place.forge.comments[-1] or "twice" in place.forge.comments[-1]


def beside_a_good_one(place: Town, error: Exception) -> None:
    """A pull request whose reviews end in an error, listed before one whose are read."""
    good, reviews = pull(number=8), place.forge.reviews
    place.forge.listed = [pull(), good]
    place.forge.said = [review("quality-1")]

    async def some(asked: object) -> object:
        if asked == good:
            return await reviews(good)
        raise error

    place.forge.reviews = some  # type: ignore[method-assign,assignment]


async def test_a_surprise_in_one_pull_request_stops_no_other(place: Town) -> None:
    beside_a_good_one(place, ValueError("nobody expected this"))
    await place.look()
    assert await place.words() == [("quality-1", "approve")]


async def test_one_bad_pull_request_stops_no_other_and_is_told(place: Town) -> None:
    beside_a_good_one(place, SourceRefused("lists more than 2000 entries"))
    await place.look()
    assert await place.words() == [("quality-1", "approve")]
    assert place.forge.statuses[0].verdict == "error"
    assert "2000 entries" in place.forge.statuses[0].text


async def test_a_pull_request_that_asked_too_much_is_left_until_it_changes(place: Town) -> None:
    place.forge.trouble = SourceRefused("lists more than 2000 entries")
    await place.look(review("quality-1"))
    place.forge.trouble = None
    await place.look()
    assert await place.words() == []
    place.forge.listed = [pull(updated=place.now)]
    await place.look()
    assert await place.words() == [("quality-1", "approve")]


async def test_without_the_bridge_in_governance_nobodys_review_counts(tmp_path: Path) -> None:
    made = documents()
    place = town(tmp_path, trust=made["trust"] | {"bridges": []})
    await place.look(review("quality-1"))
    assert await place.words() == []
    assert "belongs to nobody" in place.forge.comments[-1]


async def test_commits_addresses_exclude_as_accounts_do(place: Town) -> None:
    mails = frozenset({policies.email("quality-1")})
    place.forge.who = replace(place.forge.who, emails=mails)
    await place.look(review("quality-1"))
    assert await place.words() == []
    assert "took part in the change" in place.forge.comments[-1]


async def test_approvals_leave_room_for_what_takes_back(place: Town) -> None:
    many = {f"{n}.json": b"{}" for n in range(48)}
    place.repo.commit(many, ref=f"refs/approvals/{facts.CONTENT}")
    await place.look(review("quality-1"))
    assert "48" in place.forge.comments[-1]
    assert place.repo.git("ls-tree", f"refs/approvals/{facts.CONTENT}").count("dsse") == 0
    await place.look(review("quality-1", "reject", 1))
    assert place.repo.git("ls-tree", f"refs/approvals/{facts.CONTENT}").count("dsse") == 1
