"""Each record gets into the log once, whatever the watch does; what may not is an alarm."""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from interlock.audit.chain import Chain
from interlock.audit.follower import MAX_ALARMS, Follower
from interlock.audit.records import Keyring, Signer
from interlock.audit.verify import verify

Object = dict[str, Any]
History = list[tuple[str, Object]]
Build = Callable[..., Object]


async def test_all_events_of_a_history_are_taken_up(
    follower: Follower, history: History, path: Path, keyring: Keyring
) -> None:
    assert follower.missing(history)
    assert await follower.catch_up(history) == 4
    assert follower.missing(history) == []
    assert follower.unlogged == ()
    assert verify(path, keyring).intact


async def test_the_same_feed_again_adds_nothing(
    follower: Follower, history: History, chain: Chain
) -> None:
    await follower.catch_up(history)
    head = chain.head
    for kind, obj in history * 2:
        assert await follower.observe(kind, obj) == 0
    assert chain.head == head


async def test_a_restarted_follower_adds_nothing_twice(
    follower: Follower, history: History, chain: Chain, path: Path, keyring: Keyring
) -> None:
    await follower.catch_up(history)
    chain.close()
    again = Chain.open(path)
    assert await Follower(again, keyring).catch_up(history) == 0
    again.close()


async def test_a_transition_is_taken_up_as_it_goes_on(
    follower: Follower, signer: Signer, transition: Build
) -> None:
    stages = [
        transition(signer),
        transition(signer, ended=True),
        transition(signer, ended=True, healthy=True),
    ]
    assert [await follower.observe("AgentTransition", obj) for obj in stages] == [1, 1, 1]


async def test_a_late_old_event_adds_nothing(
    follower: Follower, signer: Signer, transition: Build
) -> None:
    assert await follower.observe("AgentTransition", transition(signer, ended=True)) == 2
    assert await follower.observe("AgentTransition", transition(signer)) == 0


async def test_any_order_gives_a_log_that_verifies(
    signer: Signer, transition: Build, tmp_path: Path, keyring: Keyring
) -> None:
    feed = [transition(signer, n, ended=n < 3) for n in (1, 2, 3)]
    for number, order in enumerate(permutations(feed)):
        path = tmp_path / f"{number}.jsonl"
        chain = Chain.open(path)
        follower = Follower(chain, keyring)
        for obj in order:
            await follower.observe("AgentTransition", obj)
        chain.close()
        report = verify(path, keyring)
        assert (report.intact, report.lines) == (True, 5)


async def test_a_full_list_is_taken_up_oldest_first(
    follower: Follower, signer: Signer, transition: Build, path: Path
) -> None:
    objects = [("AgentTransition", transition(signer, number)) for number in (10, 9, 1)]
    await follower.catch_up(objects)
    lines = path.read_text().splitlines()
    names = [line.partition('"name":"press-')[2].partition('"')[0] for line in lines]
    assert names[0] == "1"
    assert '"name":"press-9"' in lines[1]
    assert '"name":"press-10"' in lines[2]


async def test_a_watch_is_followed_until_it_ends(follower: Follower, history: History) -> None:
    async def watch() -> AsyncIterator[tuple[str, Object]]:
        for item in history:
            yield item

    await follower.follow(watch())
    assert follower.missing(history) == []


async def test_missing_names_each_event_that_the_log_lacks(
    follower: Follower, signer: Signer, transition: Build
) -> None:
    await follower.observe("AgentTransition", transition(signer, 1))
    listed = [("AgentTransition", transition(signer, n, ended=True)) for n in (1, 2)]
    lacking = follower.missing(listed)
    assert [(each.name, each.event) for each in lacking] == [
        ("press-1", "End"),
        ("press-2", "Created"),
        ("press-2", "End"),
    ]
    assert {each.reason for each in lacking} == {"not taken up yet"}


def broken(obj: Object, how: str, stranger: Signer) -> Object:
    changed = deepcopy(obj)
    match how:
        case "record":
            changed["spec"]["reason"] = "Released"
        case "stranger":
            changed["spec"] = stranger.sign("AgentTransition", changed["spec"])
        case "place":
            changed["metadata"]["namespace"] = "agent-b"
        case "name":
            changed["metadata"]["name"] = "press-7"
        case "uid":
            changed["metadata"]["uid"] = ""
        case "nothing":
            changed = {}
    return changed


@pytest.mark.parametrize("how", ["record", "stranger", "place", "name", "uid", "nothing"])
async def test_a_record_that_is_not_genuine_is_an_alarm_and_not_in_the_log(
    follower: Follower, signer: Signer, stranger: Signer, transition: Build, how: str
) -> None:
    obj = broken(transition(signer, ended=True), how, stranger)
    assert await follower.observe("AgentTransition", obj) == 0
    assert follower.unlogged
    assert [each.reason for each in follower.missing([("AgentTransition", obj)])] == [
        each.reason for each in follower.unlogged
    ]


@pytest.mark.parametrize("part", ["end", "healthy"])
async def test_a_forged_end_or_health_is_an_alarm_until_the_true_one_comes(
    follower: Follower, signer: Signer, stranger: Signer, transition: Build, part: str
) -> None:
    true = transition(signer, ended=True, healthy=True)
    other = transition(stranger, ended=True, healthy=True)
    shown = true | {"status": true["status"] | {part: other["status"][part]}}
    assert await follower.observe("AgentTransition", shown) == 2
    (alarm,) = follower.unlogged
    assert "does not hold" in alarm.reason
    assert await follower.observe("AgentTransition", true) == 1
    assert follower.unlogged == ()


async def test_a_record_that_changed_under_its_uid_is_an_alarm(
    follower: Follower, signer: Signer, transition: Build
) -> None:
    await follower.observe("AgentTransition", transition(signer, 1))
    other = transition(signer, 2)
    other["metadata"]["uid"] = "transition-1"
    assert await follower.observe("AgentTransition", other) == 0
    (alarm,) = follower.unlogged
    assert "the record was changed" in alarm.reason
    assert follower.missing([("AgentTransition", other)]) == [alarm]


async def test_a_kind_that_is_no_record_is_an_alarm(
    follower: Follower, signer: Signer, chain: Chain
) -> None:
    spec = signer.sign("Governance", {"agent": {"namespace": "a", "name": "b"}})
    await follower.observe("Governance", {"metadata": {"uid": "x"}, "spec": spec})
    assert chain.length == 0
    assert follower.unlogged


async def test_alarms_are_bounded_and_the_newest_stay(follower: Follower) -> None:
    for number in range(MAX_ALARMS + 5):
        await follower.observe("AgentTransition", {"metadata": {"uid": str(number)}})
    assert len(follower.unlogged) == MAX_ALARMS
    assert follower.unlogged[-1].uid == str(MAX_ALARMS + 4)


async def test_a_disk_that_fails_is_said_and_nothing_is_lost(
    follower: Follower, history: History, chain: Chain, path: Path, keyring: Keyring
) -> None:
    chain.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        await follower.catch_up(history)
    again = Chain.open(path)
    assert await Follower(again, keyring).catch_up(history) == 4
    again.close()
    assert verify(path, keyring).intact
