"""What the signals' votes amount to, for rules and status alike."""

from collections.abc import Iterator
from datetime import datetime

from interlock.api.observed import Action, Observed, Vote
from interlock.decide import view

READINESS = "readiness"
"""The signal whose bad vote a revision that had to start cold is spared while it starts."""
LEAVING: tuple[Action, ...] = ("rollback", "quarantine", "freeze")


def bad(seen: Observed, revision: str, *actions: Action) -> Iterator[Vote]:
    """Yield the bad votes on a revision that ask for one of these."""
    for vote in seen.votes.get(revision, ()):
        if vote.verdict == "bad" and vote.action in actions:
            yield vote


def failing(seen: Observed, now: datetime) -> Vote | None:
    """Return the vote for which what serves is to be left; after the bake lasting ones count."""
    serving = view.serving(seen)
    if serving is None:
        return None
    watched = view.baking(seen) is not None
    for vote in bad(seen, serving.name, "rollback"):
        if (watched or vote.lasting) and not _starting(seen, serving.name, vote, now):
            return vote
    return None


def proven(seen: Observed, revision: str) -> bool:
    """Whether every signal says good; none at all proves nothing."""
    votes = seen.votes.get(revision, ())
    return bool(votes) and all(vote.verdict == "good" for vote in votes)


def well(seen: Observed, revision: str) -> bool:
    """Whether a revision has pods that serve and no vote against it."""
    load = seen.workloads.get(revision)
    return bool(load and load.warm) and next(bad(seen, revision, *LEAVING), None) is None


def holding(seen: Observed) -> Vote | None:
    """Return the vote on what serves that stops promotions."""
    return next((vote for vote in bad(seen, seen.pointer or "", "hold") if vote.lasting), None)


def _starting(seen: Observed, revision: str, vote: Vote, now: datetime) -> bool:
    """Whether an agent that could not be warmed beside its predecessor is still starting.

    Image pull and scheduling do not count: slow is not broken.
    """
    load, timing = seen.workloads.get(revision), seen.timing
    if vote.signal != READINESS or not view.alone(seen, revision) or load is None or timing is None:
        return False
    return load.started is None or now - load.started <= timing.ready_within
