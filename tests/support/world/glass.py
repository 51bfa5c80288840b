"""Whose broken glass lets a content in, as the gate counts it."""

from datetime import datetime, timedelta

from interlock.api.observed import BreakGlass, Broken, Observed, Revision
from interlock.decide import view

GLASS = BreakGlass(persons=2, ratify_within=timedelta(minutes=5))


def broken(seen: Observed, known: Revision, now: datetime) -> tuple[Broken, ...]:
    """The records that count; a user of this world is a person."""
    if seen.pointer == known.name or known.behaviour in view.holds(seen):
        return ()
    records = view.broken_glass(seen, known.digest)
    found = [one for one in records if one.expires and now < one.expires]
    alone = len({one.requested_by for one in found}) < GLASS.persons
    stays = known.spec.rollback.allowed is False or view.debt(seen) is not None
    if alone and stays:
        return ()
    return tuple(Broken(one.name, one.requested_by) for one in found)


def ends(seen: Observed, counted: tuple[Broken, ...]) -> list[datetime]:
    """When these expire."""
    known = {one.name: one.expires for one in seen.transitions}
    return [moment for one in counted if (moment := known[one.record])]
