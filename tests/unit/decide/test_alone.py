"""I14: an agent that acts by itself never runs beside its successor, and gets there yet."""

from dataclasses import replace
from datetime import timedelta

from interlock.api import names, steps
from interlock.api.observed import Vote
from interlock.decide import decide, view
from interlock.decide.status import summarize
from support.world import World, spec_of


def _one_after_another(*modes: str, end: float = 5) -> World:
    """A world in which contents with these modes came to serve, one after another."""
    world = World(pod_end=end)
    for mark, mode in zip("abcd", modes, strict=False):
        world.want(spec_of(mark, mode=mode))
        _run(world)
    return world


def _run(world: World, seconds: int = 70) -> None:
    """Let the controller work for a while; no two revisions may have pods."""
    for _ in range(seconds):
        world.step()
        assert len(world.live_revisions()) < 2
        world.pass_time(1)


def test_i14_the_old_one_ends_before_the_new_one_starts() -> None:
    world = _one_after_another("autonomous")
    name = world.want(spec_of("b", mode="autonomous"))
    _run(world)
    assert world.pointer == name
    assert world.live_revisions() == [name]


def test_i14_while_pods_of_the_old_one_end_people_are_told_so() -> None:
    world = _one_after_another("autonomous")
    world.want(spec_of("b", mode="autonomous"))
    while not view.open_record(world.seen):
        world.step()
    assert summarize(world.seen, world.now).reason == "Stopping"


def _left_to_nothing() -> World:
    """What acts by itself failed in its bake, and there is nothing to go back to."""
    world = World(pod_end=5)
    name = world.want(spec_of("a", mode="autonomous"))
    world.settle()
    world.votes = {name: (Vote("probe", "bad", "it fails"),)}
    while world.pointer == name:
        world.step()
    return world


def test_i14_what_is_left_to_nothing_ends_before_any_other_starts() -> None:
    """Its pods still end: a successor that is quiet until it is called waits for them too."""
    world = _left_to_nothing()
    world.see(limits=replace(world.seen.limits, cool_down=timedelta(0)))
    name = world.want(spec_of("b"))
    _run(world)
    assert world.pointer == name


def test_i14_what_is_left_to_nothing_ends_at_once() -> None:
    """Nobody calls it, so that there is nothing to drain; it would act on."""
    world = _left_to_nothing()
    world.settle()
    assert all(load.replicas == 0 for load in world.seen.workloads.values())


def test_i14_one_that_acts_by_itself_is_never_drained_beside_nothing() -> None:
    world = _one_after_another("autonomous")
    left = world.pointer or ""
    world.votes = {left: ()}
    world.want(spec_of("b", mode="autonomous"))
    _run(world)
    assert world.seen.workloads[left].drained == ""


def test_i14_the_way_back_of_one_that_acts_by_itself_is_cold() -> None:
    world = _one_after_another("autonomous", "autonomous")
    serving = view.serving(world.seen)
    assert serving
    world.ask("AgentRollback", expect=serving.digest)
    world.step()
    assert world.pointer == names.NO_REVISION
    _run(world)
    assert world.seen.revisions[world.pointer or ""].spec.image[-1] == "a"


def test_i14_a_killed_switch_goes_on_where_it_was() -> None:
    world = _one_after_another("autonomous")
    name = world.want(spec_of("b", mode="autonomous"))
    while not view.open_record(world.seen):
        world.step()
    world.kill()
    _run(world)
    assert world.pointer == name


def test_a_switch_that_waits_is_given_up_for_another_content() -> None:
    world = _one_after_another("autonomous")
    world.want(spec_of("b", mode="autonomous"))
    while not view.open_record(world.seen):
        world.step()
    world.want(spec_of("c", mode="autonomous"))
    step = decide(world.seen, world.now)
    assert isinstance(step, steps.FinishTransition)
    assert step.abandon


def test_objects_of_a_cold_fallback_stand_ahead() -> None:
    """So that the way back needs nothing but replicas, and no work lane."""
    tools = [{"name": one, "endpoint": "https://tools.example/", "effect": "read"} for one in "ab"]
    world = World()
    world.want(spec_of("a", mode="autonomous", tools=tools, fallback={"tools": ["a"]}))
    world.settle()
    (fallback,) = view.fallbacks(world.seen, world.pointer or "")
    assert world.seen.workloads[fallback].replicas == 0


def test_a_quiet_target_is_warmed_though_an_old_one_once_acted_by_itself() -> None:
    world = World()
    for mark, mode in zip("abc", ("autonomous", "request", "request"), strict=True):
        world.want(spec_of(mark, mode=mode))
        for _ in range(70):
            world.step()
            world.pass_time(1)
    target = view.targets(world.seen)[0]
    cold = replace(world.seen.workloads[target], replicas=0, ready=0, pods=0)
    world.see(workloads={**world.seen.workloads, target: cold})
    world.pods.pop(target)
    world.settle()
    assert world.seen.workloads[target].replicas == 1
