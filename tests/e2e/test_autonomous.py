"""I14 on real containers: of an agent that acts by itself never two revisions act at once.

The agent takes items from a queue of this process and writes what it did; the queue's ledger says
who acted when, whatever the agents and the cluster say of themselves.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from support.container import HEALTH, SLOW, Live
from support.engine import Engine, until
from support.workqueue import Queue, serving

ENOUGH = 20
"""Writes of a revision after which another one's beside it would have been seen."""


@pytest.fixture
def queue(engine: Engine) -> Iterator[Queue]:
    with serving(host=engine.sandbox.outputs["node_address"]) as made:
        yield made


def acting_on(queue: Queue) -> dict[str, Any]:
    """What makes the sample agent act by itself, and lets it reach this queue and nothing else."""
    host, _, port = queue.url.removeprefix("http://").partition(":")
    edge = {"to": {"cidr": f"{host}/32"}, "port": int(port), "effect": "write", "reason": "work"}
    return {
        "mode": "autonomous",
        "env": {"QUEUE_URL": queue.url},
        "network": {"egress": [edge]},
        "health": HEALTH,
    }


def writes(queue: Queue, revision: str) -> None:
    """Wait until a revision did some work."""
    before = len(queue.writes)

    def done(ledger: Queue) -> bool:
        new = ledger.writes[before:]
        return sum(write.revision == revision for write in new) >= ENOUGH

    assert queue.wait(done, SLOW), f"{revision} does not write; it wrote: {queue.revisions}"


def alone(queue: Queue, *revisions: str) -> None:
    """Assert that these acted, one after the other."""
    assert queue.overlapping() == ()
    assert list(queue.revisions) == list(revisions)
    pods = {write.pod: write.revision for write in queue.writes}
    print(f"\n{len(queue.writes)} writes by {len(pods)} pods of {len(set(revisions))} revisions")


def test_i14_a_promotion_and_a_rollback_never_let_two_act(live: Live, queue: Queue) -> None:
    old = live.serves("1.0.0", **acting_on(queue))
    writes(queue, old)
    new = live.serves("1.1.0", **acting_on(queue))
    writes(queue, new)
    live.agent.ask("AgentRollback", "back", expect=new.rpartition("-")[2])
    live.moved(new)
    writes(queue, old)
    alone(queue, old, new, old)


def test_i14_nor_does_an_automatic_rollback_from_one_that_crashes(live: Live, queue: Queue) -> None:
    old = live.serves("1.0.0", **acting_on(queue))
    writes(queue, old)
    live.want("1.1.0", "crash-after=5s", rollout={"bake": "10m"}, **acting_on(queue))
    until(lambda: live.last("Rollback"), bool, "the one that crashes is left", SLOW)
    new = live.last("Rollback")["spec"]["from"]
    until(live.agent.pointer, lambda name: name == old, "it is back", SLOW)
    writes(queue, old)
    assert live.last("Rollback")["spec"]["cause"] == "failed"
    alone(queue, old, new, old)


def test_i14_nor_does_a_controller_that_is_killed_between_them(live: Live, queue: Queue) -> None:
    engine = live.agent.engine
    old = live.serves("1.0.0", **acting_on(queue))
    writes(queue, old)
    live.want("1.1.0", **acting_on(queue))
    until(live.agent.types, lambda types: "Promotion open" in types, "it is under way", SLOW)
    engine.kill()
    engine.start()
    new = live.agent.revision(live.agent.healthy(old.rpartition("-")[2], SLOW))
    writes(queue, new)
    live.agent.ask("AgentRollback", "back", expect=new.rpartition("-")[2])
    until(live.agent.types, lambda types: "Rollback open" in types, "it is under way", SLOW)
    engine.kill()
    engine.start()
    until(live.agent.pointer, lambda name: name == old, "it is back", SLOW)
    writes(queue, old)
    alone(queue, old, new, old)
