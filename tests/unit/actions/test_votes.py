"""What is sampled, and where: slow is not broken, and nobody gets out of sight by being slow."""

from dataclasses import replace
from datetime import timedelta

import pytest

from interlock.actions.ports import Memory
from interlock.actions.votes import targets, votes
from interlock.api import names
from interlock.api.observed import Observed
from interlock.api.values import Purpose
from interlock.cluster.cache import Cache, Key
from interlock.render.namespace import pointer_service
from interlock.signals.addresses import service_addresses
from interlock.signals.probe_http import HttpProbe
from support.targets import NOW, POLICY
from support.world import World, spec_of

KEY = Key("lab", "one")
ADDRESS = "10.96.0.7"
PROBE = HttpProbe(service_addresses())


@pytest.fixture
def serving() -> World:
    """A world in which one revision serves, within its bake."""
    world = World()
    world.want(spec_of("a", health={"http": "/healthz"}))
    world.settle()
    return world


def led_to(revision: str) -> Cache:
    """A cache with the Service that leads to a revision."""
    service = pointer_service(KEY.namespace, KEY.name)
    service["spec"]["selector"][names.LABEL_REVISION] = revision
    service["spec"]["clusterIP"] = ADDRESS
    service["metadata"]["resourceVersion"] = "1"
    cache = Cache()
    cache.merge(service)
    return cache


def with_ready(world: World, ready: int) -> Observed:
    """What is seen of the world with so many ready pods of what serves."""
    name = world.pointer or ""
    loads = {**world.seen.workloads, name: replace(world.seen.workloads[name], ready=ready)}
    return replace(world.seen, workloads=loads)


def test_what_serves_is_asked_through_its_service(serving: World) -> None:
    found = targets(with_ready(serving, 1), KEY, led_to(serving.pointer or ""), [PROBE])
    assert [target.address for target in found] == [ADDRESS]


async def test_what_starts_cold_is_measured_but_not_asked_before_it_can_answer(
    serving: World,
) -> None:
    found = targets(with_ready(serving, 0), KEY, led_to(serving.pointer or ""), [PROBE])
    assert [target.revision for target in found] == [serving.pointer]
    sample = await PROBE.sample(found[0], POLICY, NOW)
    assert (sample.verdict, sample.message) == ("none", "no Service leads to a ready pod of it")


def test_evidence_of_what_serves_ages_though_a_way_back_may_rest_on_old_evidence(
    serving: World,
) -> None:
    name, cache = serving.pointer or "", led_to(serving.pointer or "")
    cache.merge(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": KEY.home, "resourceVersion": "1"},
        }
    )
    allowed = serving.seen.verdicts[(name, Purpose.PROMOTION)]
    aged = replace(
        allowed,
        number=allowed.number + 1,
        purpose=Purpose.ROLLBACK,
        at=NOW - timedelta(days=2),
        fresh_until=NOW - timedelta(minutes=1),
    )
    serving.see(verdicts={**serving.seen.verdicts, (name, Purpose.ROLLBACK): aged})
    found = votes(serving.seen, KEY, cache, memory=Memory(), signals=[], policy=POLICY, now=NOW)
    told = {vote.signal: vote for vote in found[name]}["expiry"]
    assert (told.verdict, told.action) == ("bad", "hold")
    assert "the evidence ended" in told.message
