"""A22: a registry shows each caller, or each call, something else; or hides an image in an index.

CVE-2022-47633's class. What it says is taken only if its bytes, hashed here, have the asked digest;
of a change between two calls one of them is a sentence, never a mixture.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api.facts import Findings, Unresolved
from interlock.evidence.http import Answer
from interlock.evidence.oci import INDEX, MANIFEST
from support import plant, signed
from support.plant import IMAGE, MLFLOW, REGISTRY, ROOT, Plant, digest

AGENTS = f"{REGISTRY}/v2/agents/press-scheduler/manifests"
MODELS = f"{REGISTRY}/v2/models/press-scheduler"
FILES = f"{MLFLOW}/api/2.0/mlflow-artifacts/artifacts"
OTHER = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [{}]}).encode()


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


class Fickle(dict[str, Answer]):
    """Answers of a server that gives another one at each second call."""

    def __init__(self, honest: dict[str, Answer], url: str, other: Answer) -> None:
        super().__init__(honest)
        self._url, self._other, self.calls = url, other, 0

    def get(self, key: str, default: Any = None) -> Any:
        if key == self._url:
            self.calls += 1
            if self.calls % 2 == 0:
                return self._other
        return super().get(key, default)


async def test_another_manifest_at_the_second_call_is_refused(good: Plant) -> None:
    url = f"{AGENTS}/sha256:{digest(IMAGE)}"
    assert isinstance(await good.findings(), Findings)
    other = Answer(200, {"Content-Type": MANIFEST}, OTHER)
    good.web.answers = Fickle(good.web.answers, url, other)
    assert isinstance(await good.findings(), Findings)
    found = await good.findings()
    assert isinstance(found, Unresolved)
    assert digest(OTHER) in found.message


async def test_other_bytes_of_a_layer_at_the_second_call_are_refused(good: Plant) -> None:
    assert isinstance(await good.findings(), Findings)
    (url,) = {url for url in good.web.asked if "/models/press-scheduler/blobs/" in url}
    body = bytearray(good.web.answers[url].body)
    body[body.index(signed.FILES["weights.safetensors"])] ^= 1
    other = Answer(200, {}, bytes(body))
    good.web.answers = Fickle(good.web.answers, url, other)
    assert isinstance(await good.findings(), Findings)
    found = await good.findings()
    assert isinstance(found, Unresolved)
    assert "other bytes" in found.message


async def test_other_bytes_of_a_file_at_the_second_call_fail_their_pin(good: Plant) -> None:
    url = f"{FILES}/{ROOT}/weights.safetensors"
    assert isinstance(await good.findings(), Findings)
    other = Answer(200, {}, b"\x09" + signed.FILES["weights.safetensors"][1:])
    good.web.answers = Fickle(good.web.answers, url, other)
    for false in ([], ["model.tree"]):
        found = await good.findings()
        assert isinstance(found, Findings)
        assert [pin.name for pin in found.pins if not pin.true] == false


async def test_a_file_that_is_listed_and_not_there_is_no_model(good: Plant) -> None:
    assert isinstance(await good.findings(), Findings)
    gone = Answer(404, {}, b"{}")
    fickle = Fickle(good.web.answers, f"{FILES}/{ROOT}/MLmodel", gone)
    fickle.calls = 1
    good.web.answers = fickle
    found = await good.findings()
    assert isinstance(found, Findings)
    (pin,) = (pin for pin in found.pins if not pin.true)
    assert (pin.name, pin.got) == ("model.tree", "")


async def test_the_child_of_an_index_is_pinned_not_the_index(good: Plant) -> None:
    child = {"mediaType": MANIFEST, "digest": f"sha256:{digest(IMAGE)}", "size": len(IMAGE)}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    good.web.says(f"{AGENTS}/sha256:{digest(index)}", index, INDEX)
    for kind in (INDEX, MANIFEST):  # as it is, and under a false flag (CVE-2021-41190)
        good.web.says(f"{AGENTS}/sha256:{digest(index)}", index, kind)
        image = f"registry.example/agents/press-scheduler@sha256:{digest(index)}"
        found = await good.findings(spec=good.spec() | {"image": image})
        assert isinstance(found, Unresolved)
        assert found.reason == "SourceRefused"
