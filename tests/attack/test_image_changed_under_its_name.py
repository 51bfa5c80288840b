"""Whoever may push, or runs the registry, shows another image under an approved name (I4).

Tags moved between check and use: CVE-2022-47633, CVE-2023-33959.
"""

import json
from pathlib import Path

import pytest

from interlock.api.facts import Findings, Unresolved
from interlock.api.values import Outcome
from interlock.evidence.oci import INDEX, MANIFEST
from support import plant
from support.plant import IMAGE, REGISTRY, Plant, digest

MANIFESTS = f"{REGISTRY}/v2/agents/press-scheduler/manifests"
OTHER = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [{}]}).encode()


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def test_a_moved_tag_moves_nothing(good: Plant) -> None:
    good.web.says(f"{MANIFESTS}/1.4.2", OTHER, MANIFEST)
    assert (await good.judged())["pins"].outcome is Outcome.PASS
    assert f"{MANIFESTS}/1.4.2" not in good.web.asked


async def test_another_manifest_under_the_digest_is_refused(
    good: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = good._registry

    def swapped() -> None:
        publish()
        good.web.says(f"{MANIFESTS}/sha256:{digest(IMAGE)}", OTHER, MANIFEST)

    monkeypatch.setattr(good, "_registry", swapped)
    found = await good.findings()
    assert isinstance(found, Unresolved)
    assert found.reason == "SourceRefused"
    assert digest(OTHER) in found.message


async def test_an_index_is_no_pin(good: Plant) -> None:
    """Which of its images a node would pull, nobody approved."""
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    good.web.says(f"{MANIFESTS}/sha256:{digest(index)}", index, INDEX)
    image = f"registry.example/agents/press-scheduler@sha256:{digest(index)}"
    found = await good.findings(spec=good.spec() | {"image": image})
    assert isinstance(found, Unresolved)
    assert "index of several platforms" in found.message


async def test_an_image_that_was_taken_away_fails_its_pin(good: Plant) -> None:
    image = f"registry.example/agents/press-scheduler@sha256:{'0' * 64}"
    found = await good.findings(spec=good.spec() | {"image": image})
    assert isinstance(found, Findings)
    (pin,) = (pin for pin in found.pins if not pin.true)
    assert (pin.name, pin.got) == ("image", "")
    assert "has no manifest" in pin.detail
