"""A1: a tag or an alias moves between the moment that it is checked and the moment that it runs.

CVE-2022-47633, CVE-2023-33959. What is fetched, judged and mounted is named by one digest; an alias
selects a version once, and its files are then asked for by number.
"""

from pathlib import Path

import pytest

from interlock.api.facts import Findings
from interlock.api.values import Outcome
from interlock.evidence.mlflow import Mlflow
from support import plant
from support.plant import MLFLOW, Plant


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def test_nothing_is_asked_for_by_tag(good: Plant) -> None:
    assert (await good.judged())["pins"].outcome is Outcome.PASS
    manifests = [url for url in good.web.asked if "/manifests/" in url]
    assert manifests
    assert all("/manifests/sha256" in url for url in manifests)


@pytest.mark.parametrize("field", ["image", "volume"])
async def test_what_is_named_by_tag_alone_passes_no_gate(good: Plant, field: str) -> None:
    spec = good.spec()
    place = spec if field == "image" else spec["model"]
    place[field] = place[field].partition("@")[0]
    good.web.says(f"{plant.REGISTRY}/v2/agents/press-scheduler/manifests/1.4.2", plant.IMAGE)
    found = await good.findings(spec=spec)
    if isinstance(found, Findings):
        assert [pin.name for pin in found.pins if not pin.true]


async def test_an_alias_that_moves_while_it_is_read_selects_once(good: Plant) -> None:
    """The alias is asked once; the place of the files and the files themselves by the number."""
    await good.findings()
    api = f"{MLFLOW}/api/2.0/mlflow"
    by_number = good.web.answers[f"{api}/model-versions/get?name=press-scheduler&version=12"]
    good.web.answers[f"{api}/registered-models/alias?name=press-scheduler&alias=prod"] = by_number
    good.web.asked.clear()
    spec = good.spec()
    del spec["model"]["version"], spec["model"]["volume"]
    spec["model"]["alias"] = "prod"
    found = await good.findings(spec=spec)
    assert isinstance(found, Findings), found
    assert sum("alias" in url for url in good.web.asked) == 1
    assert sum("get-download-uri?name=press-scheduler&version=12" in u for u in good.web.asked) == 1
    false = {pin.name: pin for pin in found.pins if not pin.true}
    assert (false["model.version"].expected, false["model.version"].got) == ("", "12")


def test_a_client_has_no_way_to_files_by_alias() -> None:
    assert set(Mlflow.tree.__annotations__) == {"version", "return"}
