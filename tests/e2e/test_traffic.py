"""Under constant load no request on a new connection is lost, and what is open leaves in time.

The agents end at once when they are asked to (`LINGER=0s`): that nothing is lost must not depend
on their politeness.
"""

import os
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from support.container import SLOW, Live
from support.engine import until
from support.load import Load, load
from support.onnode import in_cgroup

RUDE = {"LINGER": "0s"}
LONG = {"bake": "5m", "drain": "10s"}
DRAIN = 10.0
LATE = 20.0
"""Seconds that a busy machine may be late with pods that are to be ended."""
ENOUGH = 300
"""Answers of the new revision after which the old one's would have been seen."""


def goes_on(met: Load, revision: str) -> None:
    """Wait until a revision has everything that is new, and nothing leads elsewhere any more."""
    before = met.answered_by(revision)
    until(lambda: met.answered_by(revision), lambda n: n > before + ENOUGH, "it answers", SLOW)


def left(met: Load, revision: str) -> None:
    until(lambda: met.open_to(revision), lambda n: n == 0, "what was open has left", SLOW)


def told(what: str, met: Load, revision: str, moved: float) -> None:
    """Print how long after the record's end callers met what it left."""
    gone = sorted(round((at - moved) * 1000) for at in met.left(revision))
    answer = round((met.last_from(revision) - moved) * 1000)
    print(f"\n{what}: {len(met.answers)} requests, {len(met.lost)} lost, milliseconds after: ")
    print(f"  last answer {answer}, open connections left {gone}")


def test_a_rollout_loses_no_request(live: Live) -> None:
    old = live.serves("1.0.0", defaults=RUDE)
    with load(*live.address()) as met:
        goes_on(met, old)
        new = live.serves("1.1.0", defaults=RUDE)
        left(met, old)
        goes_on(met, new)
    moved = live.ended("Promotion")
    told("rollout", met, old, moved)
    assert not met.lost
    assert met.revisions() == [old, new]
    assert max(met.left(old)) < moved + DRAIN + LATE


def test_an_automatic_rollback_loses_no_request(live: Live) -> None:
    old = live.serves("1.0.0", defaults=RUDE)
    with load(*live.address()) as met:
        goes_on(met, old)
        live.want("1.1.0", defaults=RUDE, rollout=LONG)
        live.moved(old)
        new = live.agent.pointer()
        left(met, old)
        live.drained(old)
        live.tell(new, "unhealthy-after=0s")
        live.moved(new)
        left(met, new)
        goes_on(met, old)
    moved = live.ended("Rollback")
    told("automatic rollback", met, new, moved)
    assert live.last("Rollback")["spec"]["cause"] == "failed"
    assert not met.lost
    assert met.revisions() == [old, new, old]
    assert max(met.left(new)) < moved + DRAIN + LATE


def test_a_rollback_that_an_sre_asks_for_loses_no_request(live: Live) -> None:
    old = live.serves("1.0.0", defaults=RUDE)
    new = live.serves("1.1.0", defaults=RUDE)
    live.drained(old)
    with load(*live.address()) as met:
        goes_on(met, new)
        live.agent.ask("AgentRollback", "back", expect=new.rpartition("-")[2])
        left(met, new)
        goes_on(met, old)
    moved = live.ended("Rollback")
    told("rollback", met, new, moved)
    assert not met.lost
    assert met.revisions() == [new, old]
    assert max(met.left(new)) < moved + DRAIN + LATE


def test_a_cut_does_not_wait_for_what_is_open(live: Live) -> None:
    old = live.serves("1.0.0")
    live.want("1.1.0", rollout={"bake": "1s", "drain": "30m"}, defaults={"GRACE": "30m"})
    new = live.agent.revision(live.agent.healthy(old.rpartition("-")[2], SLOW))
    live.warm()
    with load(*live.address()) as met:
        goes_on(met, new)
        live.agent.ask("AgentRollback", "cut", expect=new.rpartition("-")[2], cut=True)
        left(met, new)
        goes_on(met, old)
    moved = live.ended("Rollback")
    told("cut", met, new, moved)
    assert met.revisions() == [new, old]
    assert live.pods(new) == []


def test_a_cut_ends_an_agent_that_listens_to_nobody(live: Live) -> None:
    old = live.serves("1.0.0")
    new = live.serves("1.1.0")
    live.drained(old)
    with load(*live.address()) as met:
        until(lambda: met.open_to(new), lambda n: n == 8, "all have opened", SLOW)
        stop(live.pods(new))
        live.agent.ask("AgentRollback", "cut", expect=new.rpartition("-")[2], cut=True)
        left(met, new)
        goes_on(met, old)
    told("cut of a stopped process", met, new, live.ended("Rollback"))
    assert live.pods(new) == []


def stop(pods: Iterable[Mapping[str, Any]]) -> None:
    """Stop the processes of pods: from now on they hear no signal but the one that ends them."""
    for pod in pods:
        container = pod["status"]["containerStatuses"][0]["containerID"]
        for pid in in_cgroup(container.removeprefix("containerd://")):
            os.kill(pid, signal.SIGSTOP)
