"""Invariants of the state machine under any history that hypothesis can think of."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.api import names, steps
from interlock.decide import decide, view
from support.world import World, spec_of

MARKS = "abcd"
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from(MARKS), st.sampled_from(["good", "never"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 15, 31, 61, 200])),
        st.tuples(st.just("rollback"), st.booleans()),
        st.tuples(st.just("quarantine")),
        st.tuples(st.just("release")),
        st.tuples(st.just("revoke")),
        st.tuples(st.just("block"), st.sampled_from(MARKS)),
        st.tuples(st.just("approve")),
        st.tuples(st.just("steps"), st.integers(1, 6)),
    ),
    max_size=14,
)


def _happen(world: World, event: tuple) -> None:  # type: ignore[type-arg]
    kind, *arguments = event
    serving = view.serving(world.seen)
    if kind == "want":
        world.want(spec_of(*arguments))
    elif kind == "wait":
        world.pass_time(arguments[0])
    elif kind == "rollback" and serving:
        world.ask("AgentRollback", expect=serving.digest, cut=arguments[0])
    elif kind == "quarantine":
        world.ask("AgentQuarantine")
    elif kind == "release":
        held = [hold.digest for hold in view.holds(world.seen).values()]
        world.ask("AgentRelease", digest=held[0] if held else "")
    elif kind == "revoke" and serving:
        world.revoke(serving.name)
    elif kind == "block":
        world.blocked.add(arguments[0])
        world.seen = replace(world.seen, policy=world.seen.policy + "b")
    elif kind == "approve":
        world.approvals += 1
    elif kind == "steps":
        for _ in range(arguments[0]):
            world.step()


def _check(world: World) -> None:
    seen = world.seen
    pointer = seen.pointer
    if view.quarantined(seen):
        assert pointer in (None, names.NO_REVISION)
    if pointer in (None, names.NO_REVISION):
        return
    assert pointer in seen.revisions, "I2: the pointer names a revision that we know"
    assert pointer in seen.admitted, "I1: what serves is admitted"
    assert pointer not in seen.revoked, "a revoked revision never keeps traffic"
    assert seen.revisions[pointer].behaviour not in view.holds(seen), "I10: a hold holds"


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_i1_i2_i10_any_history_settles_with_traffic_where_it_may_be(events: list) -> None:  # type: ignore[type-arg]
    world = World()
    world.want(spec_of("a"))
    for event in events:
        _happen(world, event)
    world.settle(200)
    _check(world)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_decide_is_deterministic_and_total(events: list) -> None:  # type: ignore[type-arg]
    world = World()
    for event in events:
        _happen(world, event)
        assert decide(world.seen, world.now) == decide(world.seen, world.now)


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_i3_a_way_back_never_waits_for_work(events: list) -> None:  # type: ignore[type-arg]
    """Whatever else is open, leaving a revoked revision is the very next step."""
    world = World()
    world.want(spec_of("a"))
    for event in events:
        _happen(world, event)
    serving = view.serving(world.seen)
    if serving is None or view.open_record(world.seen):
        return
    world.revoke(serving.name)
    assert isinstance(decide(world.seen, world.now), steps.MoveBack)
