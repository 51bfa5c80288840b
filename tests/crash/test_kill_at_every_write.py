"""I7: killed before or after any write, the operator converges; nothing is lost or done twice.

Each scenario is played once without a fault; then, one agent a case, the controller gets SIGKILL
before or after one of its writes, or sees the cluster through a watch that is cut, late, doubled,
out of order or has lost events. Whoever comes next must leave every agent exactly as the first
run left its own.
"""

import pytest

from support.harness import Harness, Played
from support.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(3600)  # one set-up plays all cases: in full, hundreds


@pytest.fixture(scope="module")
def played(harness: Harness, full: bool, request: pytest.FixtureRequest) -> dict[str, Played]:
    """All scenarios that were selected, played beside one another."""
    specs = (getattr(item, "callspec", None) for item in request.session.items)
    names = {spec.params.get("scenario") for spec in specs if spec}
    return harness.play([one for one in SCENARIOS if one.name in names], full=full)


@pytest.mark.parametrize("scenario", [one.name for one in SCENARIOS])
def test_the_ending_is_the_same(scenario: str, played: dict[str, Played]) -> None:
    count, writes = played[scenario].count(), played[scenario].reference.result()[1]
    print(f"\n{scenario}: {count} cases ({writes} writes)")
    assert count


def test_the_log_holds_every_record_once(played: dict[str, Played], harness: Harness) -> None:
    assert harness.witness.log_problems() == []
    cases = sum(case.result() for one in played.values() for case in one.cases)
    print(f"\ncrash cases: {cases}")
