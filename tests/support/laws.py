"""What must hold of each step that `decide` asks for, of each state, and at the end of a walk."""

from datetime import datetime

from interlock.api import names, steps
from interlock.api.observed import Observed, Transition
from interlock.decide import arrive, decide, health, view
from support.world import GLASS, World


class Broken(AssertionError):
    """A law does not hold."""


def need(holds: object, law: str) -> None:
    """Raise where a law does not hold."""
    if not holds:
        raise Broken(law)


def check_step(seen: Observed, step: steps.Step, now: datetime) -> None:
    """What the controller may ask for, given what it saw."""
    for kind, law in _STEPS.items():
        if isinstance(step, kind):
            law(seen, step, now)


def check_state(world: World) -> None:
    """What may be true of the cluster, whatever was written last and by whom."""
    seen = world.seen
    open_ = [one.name for one in seen.transitions if one.end is None]
    need(len(open_) < 2, f"I7: one open record at most: {open_}")
    numbers = [one.number for one in seen.transitions]
    need(numbers == sorted(set(numbers)), f"I7: each number once, rising: {numbers}")
    pointer = seen.pointer
    if pointer not in (None, names.NO_REVISION):
        parent = seen.revisions[pointer].parent if pointer in seen.revisions else ""
        need(pointer in seen.revisions, f"I2: {pointer} serves and is forgotten")
        need({pointer, parent} & world.allowed, f"I2: {pointer} serves, no gate allowed it")
    running = world.live_revisions()
    if view.alone(seen, *running):
        need(len(running) < 2, f"I14: pods of {running} at once")


def check_rest(world: World, seen: Observed) -> None:
    """What must be true when nothing happens any more and the controller rests."""
    pointer = seen.pointer
    record = view.open_record(seen)
    need(record is None or _starts_never(world, record.to), "liveness: a record is left open")
    need(pointer not in seen.revoked or not _explained(seen), f"{pointer} is revoked and serves")
    owed = view.unratified(seen, pointer or "")
    if owed and owed.ratify_by and _explained(seen) and record is None:
        need(world.now < owed.ratify_by, f"{pointer} was never ratified and serves")
    if view.quarantined(seen) and _explained(seen):
        need(pointer in (None, names.NO_REVISION), "quarantined, and it serves")
        need(not seen.admitted, "quarantined, and pods may be made")
        need(not world.pods, f"quarantined, and pods run: {world.live_revisions()}")
    need(record or not seen.requests, "liveness: a request is left without an answer")
    for name, known in seen.revisions.items():
        child = world.fallback_of(known)
        made = child is None or child.name in seen.revisions
        need(made or name != pointer, f"{name} serves, its fallback was never made")
    if _ought_to_serve(world, seen):
        asked = view.candidate(seen)
        need(pointer == asked, f"liveness: {asked} is good and allowed, and {pointer} serves")
        load = seen.workloads[asked]
        need(seen.wanted and load.replicas == seen.wanted.spec.replicas, "replicas are wrong")


def check_group(worlds: list[World], now: datetime) -> None:
    """When one member of a group left a switch, no other that can leave it serves it still."""
    left = {name: one.name for one in worlds for name in view.left_switches(one.seen)}
    for one in worlds:
        seen = one.look()
        came, serving = view.switch_of(seen), view.serving(seen)
        if came is None or serving is None or not serving.spec.rollback.allowed:
            continue
        if view.quarantined(seen) or not _explained(seen) or view.open_record(seen):
            continue
        others = [peer for peer in seen.peers if peer.left.get(came.switch, came.at) > came.at]
        together = [peer.name for peer in others if peer.group == serving.spec.rollout.group]
        moved = seen.wanted and seen.wanted.spec.rollout.group != serving.spec.rollout.group
        need(moved or not together, f"{left}: {one.name} still serves what {together} left")


def _commit(seen: Observed, step: steps.Commit, now: datetime) -> None:
    wanted = seen.wanted
    need(wanted and step.to == view.candidate(seen), "only what is wanted is promoted")
    need(seen.fresh, "I5: no promotion under a stale policy")
    need(wanted and not wanted.spec.paused, "no promotion while paused")
    need(not view.frozen(seen), "no promotion while frozen")
    need(not view.quarantined(seen), "no promotion in quarantine")
    need(not seen.fleet.halted, "no promotion while the fleet is halted")
    until = view.cools_until(seen)
    need(until is None or now >= until, "no promotion while it cools down")
    need(step.to not in seen.revoked, "nothing revoked is promoted")
    need(step.to in seen.admitted, "I1: only what is admitted is promoted")
    verdict = seen.verdicts[(step.to, arrive.Purpose.PROMOTION)]
    need(verdict.verdict == "Allowed", "I5: only what is allowed is promoted")
    need(verdict.expires is None or now < verdict.expires, "I5: the verdict is expired")
    hold = view.holds(seen).get(step.behaviour)
    need(hold is None or view.lifted(hold, verdict), "I10: a hold holds")
    _let_in(seen, step, now)
    for peer in seen.peers:
        group = wanted.spec.rollout.group if wanted else None
        mine = peer.group == group and group is not None
        need(not mine or peer.ready or peer.settled, f"group: {peer.name} is not ready")


def _let_in(seen: Observed, step: steps.Commit, now: datetime) -> None:
    """What nobody approved goes in by broken glass only, and comes out again or gets approved."""
    verdict = seen.verdicts[(step.to, arrive.Purpose.PROMOTION)]
    need(verdict.approved or step.break_glass, "I6: not approved, and no glass is broken")
    broken = [one for one in seen.transitions if one.name in step.break_glass]
    need(len(broken) == len(step.break_glass), "a promotion rests on records that there are")
    for one in broken:
        need(one.digest == step.digest, "I6: broken glass is for one content")
        need(one in view.broken_glass(seen, step.digest), "broken glass lets in once")
    alone = len({one.requested_by for one in broken}) < GLASS.persons
    need(not broken or alone == (step.ratify_by is not None), "one person alone is ratified")
    need(not (broken and alone) or view.debt(seen) is None, "one unratified promotion at a time")
    need(not broken or step.behaviour not in view.holds(seen), "broken glass lifts no hold")


def _move_back(seen: Observed, step: steps.MoveBack, now: datetime) -> None:
    need(step.to == names.NO_REVISION or not view.not_a_target(seen, step.to), "no such target")
    need(step.type == "Quarantine" or step.origin != step.to, "a move to where it is")
    need(not step.cause or (step.digest and step.behaviour), "what is held is named")
    if step.type == "Rollback" and step.cause == "failed":
        _automatic(seen, step)
    if step.cause == "unratified" and seen.pointer == step.origin:
        promotion = view.unratified(seen, step.origin)
        late = promotion and promotion.ratify_by and now >= promotion.ratify_by
        need(late, "what is ratified, or in time, is not left")


def _automatic(seen: Observed, step: steps.MoveBack) -> None:
    need(not seen.fleet.halted, "no automatic rollback while the fleet is halted")
    need(not view.frozen(seen), "no automatic rollback while frozen")
    before = [one for one in seen.transitions if view.automatic(one) and one.origin == step.origin]
    need(not before, f"one automatic rollback a revision: {before}")
    last: Transition | None = view.last_move(seen)
    again = last and last.type == "Rollback" and (last.origin, last.to) == (step.to, step.origin)
    need(not again, "no rollback of a rollback for the same pair")
    need(seen.revisions[step.origin].spec.rollback.allowed, "forward-only content is not left")


def _finish(seen: Observed, step: steps.FinishTransition, now: datetime) -> None:
    record = step.transition
    if step.abandon or record.type not in view.POINTER_MOVES or seen.pointer == record.to:
        return
    need(record.to not in seen.revoked, f"{record.name} would lead to {record.to}, revoked")
    if record.type == "Promotion":
        need(record.to == view.candidate(seen), "a promotion to what nobody wants goes on")


def _stage(seen: Observed, step: steps.Stage, now: datetime) -> None:
    need(step.revision not in seen.revoked, "pods of what is revoked")
    need(not step.replicas or not view.quarantined(seen), "pods in quarantine")


def _scale(seen: Observed, step: steps.Scale, now: datetime) -> None:
    need(step.revision != seen.pointer, "what serves is not scaled down")


def _cut(seen: Observed, step: steps.Cut, now: datetime) -> None:
    need(
        step.revision in (names.NO_REVISION, "") or step.revision != seen.pointer,
        "what serves is cut",
    )


def _forget(seen: Observed, step: steps.Forget, now: datetime) -> None:
    record = view.open_record(seen)
    needed = {seen.pointer, view.candidate(seen), *view.targets(seen)[: view.HISTORY]}
    needed |= {*view.fallbacks(seen, seen.pointer or ""), record.to if record else ""}
    if view.quarantined(seen):
        needed.add(next(one.origin for one in view.moves(seen) if one.type == "Quarantine"))
    need(step.revision not in needed, f"{step.revision} is needed, and would be forgotten")


def _same(seen: Observed, step: steps.Step, now: datetime) -> None:
    need(step == decide(seen, now), "decide is deterministic")


_STEPS = {
    steps.Commit: _commit,
    steps.MoveBack: _move_back,
    steps.FinishTransition: _finish,
    steps.Stage: _stage,
    steps.Scale: _scale,
    steps.Cut: _cut,
    steps.Forget: _forget,
    steps.MarkHealthy: _same,
}


def _starts_never(world: World, name: str) -> bool:
    """Whether it is not up to us that the pods of a target become ready."""
    known = world.seen.revisions.get(name)
    return name in world.sick or bool(known and "/good@" not in known.spec.image)


def _explained(seen: Observed) -> bool:
    """Whether a record says why the pointer is where it is; another is touched by nobody."""
    move = view.last_move(seen)
    return seen.pointer in (None, move.to if move else names.NO_REVISION)


def _ought_to_serve(world: World, seen: Observed) -> bool:
    """Whether nothing at all stands in the candidate's way."""
    wanted, asked = seen.wanted, view.candidate(seen)
    if wanted is None or wanted.deleting or wanted.spec.paused or not _explained(seen):
        return False
    image, mark = wanted.spec.image, wanted.spec.image[-1]
    if mark in world.blocked | world.unapproved or world.outage[0] or world.lasts:
        return False
    if "/good@" not in image or asked in world.sick or asked in seen.revoked or world.votes:
        return False
    if view.quarantined(seen) or view.frozen(seen) or seen.fleet.halted or not seen.fresh:
        return False
    if seen.fleet.promoting >= seen.limits.promotions or seen.peers or wanted.spec.depends_on:
        return False
    if world.sick or seen.granted or not seen.policy:
        return False
    hold = view.holds(seen).get(wanted.behaviour)
    return hold is None and health.holding(seen) is None
