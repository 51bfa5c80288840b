"""When an approval came to us: decisions hand it on, so that no earlier time can be signed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.actions.facts import _dwells, _first_seen
from interlock.actions.records import stamp
from support.facts import good_facts, quality, safety, subject
from support.policies import documents, good_policy

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def decision(**seen: str) -> dict[str, Any]:
    """A decision before this one, that had seen these."""
    return {"spec": {"facts": json.dumps({"context": {"seen": seen} if seen else {}})}}


def test_what_is_new_is_seen_now() -> None:
    assert _first_seen([quality()], [], NOON) == {quality().envelope: stamp(NOON)}


def test_what_was_seen_was_seen_then() -> None:
    first = decision(**{quality().envelope: "2026-11-20T10:00:00Z"})
    later = decision(**{quality().envelope: "2026-11-20T11:00:00Z"})
    found = _first_seen([quality(), safety()], [decision(), first, later], NOON)
    assert found == {
        quality().envelope: "2026-11-20T10:00:00Z",
        safety().envelope: stamp(NOON),
    }


def test_what_is_gone_is_not_handed_on() -> None:
    assert _first_seen([], [decision(**{quality().envelope: "2026-11-20T10:00:00Z"})], NOON) == {}


def test_an_hour_of_judging_writes_no_new_facts() -> None:
    before: list[dict[str, Any]] = []
    prints = set()
    for minute in range(60):
        now = NOON + timedelta(minutes=minute)
        seen = _first_seen([quality(), safety()], before, now)
        facts = good_facts(context=good_facts().context.model_copy(update={"seen": seen}))
        prints.add(facts.fingerprint())
        before = [{"spec": {"facts": facts.canonical().decode()}}]
    assert len(prints) == 1


@pytest.mark.parametrize(("dwell", "matters"), [("0s", False), ("1s", True)])
def test_it_matters_where_the_tier_dwells(dwell: str, matters: bool) -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"]["minimumDwell"] = dwell
    assert _dwells(good_policy(tiers=tiers), subject()) is matters
