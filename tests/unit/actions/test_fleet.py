"""The fleet breaker: what many agents do together stops what one would do by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from interlock.actions.fleet import FleetWatch
from interlock.api.kinds.records import Ending
from interlock.api.observed import Judged, Observed, Transition, Wanted
from interlock.api.values import Purpose
from interlock.cluster.cache import Key
from interlock.decide import view
from interlock.policy.model import Breakers
from support.world import spec_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BREAKERS = Breakers(fleet_agents=3, fleet_share=0.2, fleet_errors=0.3, fleet_within="10m")
SPEC = spec_of("a")


def key(number: int) -> Key:
    return Key("lab", f"agent-{number}")


def agent(*transitions: Transition) -> Observed:
    wanted = Wanted("lab", "one", "uid", 1, SPEC, "a" * 64, "b" * 64)
    return Observed(wanted=wanted, pointer="one-new", transitions=transitions)


def rolled_back(minutes: float, **changes: object) -> Observed:
    record = Transition(
        name="one-2",
        number=2,
        type="Rollback",
        origin="one-new",
        to="one-old",
        digest="",
        behaviour="",
        cause="failed",
        reason="Unhealthy",
        at=NOW - timedelta(minutes=minutes),
        end="Committed",
        ended=NOW,
    )
    return agent(replace(record, **changes))


def promoting(end: Ending | None = None, healthy: datetime | None = None) -> Observed:
    record = Transition(
        name="one-1",
        number=1,
        type="Promotion",
        origin="none",
        to="one-new",
        digest="",
        behaviour="",
        cause="",
        reason="Promoted",
        at=NOW,
        end=end,
        ended=NOW if end else None,
        healthy=healthy,
    )
    return agent(record)


def fleet(agents: int, *special: Observed) -> FleetWatch:
    watch = FleetWatch()
    for number in range(agents):
        watch.note(key(number), special[number] if number < len(special) else agent())
    return watch


def test_three_of_ten_agents_that_went_back_halt_the_fleet() -> None:
    watch = fleet(10, *[rolled_back(1)] * 3)
    halted = watch.halted(BREAKERS, NOW)
    assert halted == "3 of 10 agents were rolled back within 10m; look at them first"
    assert watch.of(key(9), BREAKERS, NOW).halted == halted


@pytest.mark.parametrize(
    ("agents", "special"),
    [
        (10, [rolled_back(1)] * 2),
        (15, [rolled_back(1)] * 3),
        (10, [rolled_back(10)] * 3),
        (10, [rolled_back(1, cause="requested")] * 3),
        (10, [rolled_back(1, cause="revoked")] * 3),
        (10, [rolled_back(1, end="Abandoned")] * 3),
    ],
    ids=["too few", "not above the share", "too long ago", "asked for", "revoked", "abandoned"],
)
def test_what_is_no_outbreak_halts_nothing(agents: int, special: list[Observed]) -> None:
    assert fleet(agents, *special).halted(BREAKERS, NOW) == ""


def test_many_teams_that_cannot_be_judged_halt_the_fleet_and_one_never_does() -> None:
    troubled = Judged(NOW, "p", ("SourceUnavailable", "MLflow does not answer"))
    lost = agent()
    place = (view.candidate(lost), Purpose.PROMOTION)
    lost = replace(lost, judged={place: troubled})
    assert fleet(10, *[lost] * 9).halted(BREAKERS, NOW) == "", "all of them are one team's"
    watch = FleetWatch()
    for number in range(10):
        watch.note(Key(f"team-{number}", "one"), lost if number < 4 else agent())
    assert "4 of 10 teams' agents could not be judged" in watch.halted(BREAKERS, NOW)
    watch.note(Key("team-0", "one"), agent())
    assert watch.halted(BREAKERS, NOW) == ""


def test_agents_between_commit_and_the_end_of_their_bake_are_counted_without_oneself() -> None:
    watch = fleet(6, promoting(), promoting("Committed"), promoting("Committed", healthy=NOW))
    assert watch.promoting == 2
    assert watch.of(key(0), BREAKERS, NOW).promoting == 1
    assert watch.of(key(5), BREAKERS, NOW).promoting == 2


def test_one_that_is_about_to_be_promoted_counts_before_its_record_is_seen() -> None:
    watch = fleet(2)
    watch.begin(key(0))
    assert watch.of(key(1), BREAKERS, NOW).promoting == 1


def test_an_agent_that_recovered_or_is_gone_counts_no_more() -> None:
    watch = fleet(4, *[rolled_back(1)] * 3, promoting())
    watch.note(key(0), agent())
    assert watch.halted(BREAKERS, NOW) == ""
    watch.note(key(3), Observed(wanted=None))
    assert watch.promoting == 0
