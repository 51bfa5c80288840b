"""Whoever may edit a model in MLflow overwrites it after it was rolled out.

What runs was mounted by digest and goes on. What serves is judged again on a timer: the change is
an incident that names the file, on the agent (condition `Degraded`) and in `/metrics`.
"""

from pathlib import Path

import pytest

from interlock.api.facts import Findings
from interlock.api.reasons import Reason
from interlock.api.values import Outcome, Purpose
from interlock.decide import rules, view
from interlock.decide.status import status
from support import plant
from support.plant import Plant
from support.world import World, spec_of

WEIGHTS = "weights.safetensors"
AN_HOUR = 3600


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    found = plant.plant(monkeypatch, tmp_path)
    found.purpose = Purpose.ROLLBACK
    return found


async def test_the_judgement_of_what_serves_says_which_file_changed(good: Plant) -> None:
    assert (await good.judged())["pins"].outcome is Outcome.PASS
    good.registered[WEIGHTS] = b"\x09" + good.registered[WEIGHTS][1:]
    results = await good.judged()
    assert results["pins"].reason is Reason.PIN_MISMATCH
    assert results["pins"].message.startswith("model.tree is ")
    assert results["model-signature"].got.startswith(f"{WEIGHTS} ")


async def test_what_the_pod_mounts_is_still_true(good: Plant) -> None:
    good.registered = {"MLmodel": b"other"}
    found = await good.findings()
    assert isinstance(found, Findings)
    said = {pin.name: pin.true for pin in found.pins}
    assert (said["model.tree"], said["model.volume"], said["image"]) == (False, True, True)


async def test_a_model_made_again_under_its_name_is_told_from_the_first(good: Plant) -> None:
    """The files may even be the same: the facts then show another id and creation time."""
    place = f"{plant.MLFLOW}/api/2.0/mlflow/model-versions/get?name=press-scheduler&version=12"
    seen = []
    honest = good._mlflow
    for number in (1, 2):
        version = {"version": "12", "run_id": "run", "source": f"models:/m-{str(number) * 32}"}

        def made(said: dict[str, str] = version, at: int = number) -> None:
            honest()
            good.web.says(place, {"model_version": {**said, "creation_timestamp": at * 1000}})

        good._mlflow = made  # type: ignore[method-assign]
        found = await good.findings()
        assert isinstance(found, Findings)
        assert found.registered
        seen.append(found.registered)
    assert seen[0].model_id == "m-" + "1" * 32
    assert seen[0].created == "1970-01-01T00:00:01.000Z"
    assert (seen[0].name, seen[0].version) == (seen[1].name, seen[1].version)
    assert seen[0] != seen[1]


async def test_evidence_that_lies_in_the_run_of_another_server_is_not_asked_for(
    good: Plant,
) -> None:
    """GHSA-mr9f-g8qf-4w4j."""
    place = f"{plant.MLFLOW}/api/2.0/mlflow/runs/get?run_id=run"
    honest = good._mlflow

    def moved() -> None:
        honest()
        run = {"run": {"info": {"artifact_uri": "mlflow-artifacts://evil.example/1"}}}
        good.web.says(place, run)

    good._mlflow = moved  # type: ignore[method-assign]
    assert not isinstance(await good.findings(), Findings)
    assert not any("evil" in url for url in good.web.asked)


def test_what_serves_goes_on_and_says_so() -> None:
    world = World()
    world.want(spec_of("a"))
    world.settle()
    world.pass_time(61)
    world.settle()
    name = world.pointer
    world.blocked.add("a")
    world.pass_time(AN_HOUR)
    world.settle()
    assert view.degraded(world.seen)
    assert world.pointer == name
    assert type(rules.decide(world.seen, world.now)).__name__ in ("Rest", "Inspect")
    shown = status(world.seen, world.now, {})
    (found,) = (one for one in shown["conditions"] if one["type"] == "Degraded")
    assert found["status"] == "True"
    assert shown["ready"] == "True"
