"""One job of the gatherer: however it ends, it ends as an answer."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api import digests
from interlock.api.facts import Findings, Unresolved
from interlock.evidence import findings, resolve
from interlock.evidence.findings import Gatherer
from interlock.render import delivery
from support import plant
from support.plant import Plant

ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def unresolved(good: Plant, **changes: Any) -> Unresolved:
    found = await good.findings(**changes)
    assert isinstance(found, Unresolved), found
    return found


async def test_everything_is_gathered_and_sorted(good: Plant) -> None:
    found = await good.findings()
    assert isinstance(found, Findings)
    assert [pin.name for pin in found.pins if pin.true] == sorted(pin.name for pin in found.pins)
    bundles = [each.bundle for each in found.evidence]
    assert bundles == sorted(bundles)
    assert len(bundles) == 3
    assert found.content is not None
    assert sum(found.content.formats.values()) == len(good.registered)
    assert found.change is None


async def test_an_agent_without_a_model_needs_no_model_registry(good: Plant) -> None:
    spec = {key: value for key, value in good.spec().items() if key not in ("model", "prompts")}
    found = await good.findings(spec=spec)
    assert isinstance(found, Findings)
    assert [pin.name for pin in found.pins] == ["image"]
    assert found.content is None
    assert not any("mlflow" in url for url in good.web.asked)


async def test_a_spec_or_policy_that_is_none_is_invalid(good: Plant) -> None:
    assert (await unresolved(good, spec={"image": 1})).reason == "Invalid"
    targets = {name: data.decode() for name, data in plant.targets().items()}
    answer = await unresolved(good, targets={**targets, "trust.yaml": "signers: 1"})
    assert (answer.reason, "trust.yaml" in answer.message) == ("Invalid", True)


async def test_a_trusted_root_that_cannot_be_used_is_refused(good: Plant) -> None:
    given = {name: data.decode() for name, data in plant.targets().items()}
    root = json.dumps({"mediaType": ROOT_TYPE, "tlogs": [{}]})
    answer = await unresolved(good, targets={**given, "trusted_root.json": root})
    assert answer.reason == "SourceRefused"
    assert "trusted_root.json cannot be used" in answer.message


async def test_a_registry_that_is_not_configured_is_named(good: Plant) -> None:
    spec = good.spec()
    spec["model"]["registry"] = "elsewhere"
    answer = await unresolved(good, spec=spec)
    assert answer.reason == "SourceRefused"
    assert "'elsewhere'" in answer.message


async def test_a_surprise_is_an_internal_error_without_its_details(
    good: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def surprise(*_: object) -> None:
        raise RecursionError("secret in a parser's words")

    monkeypatch.setattr(findings, "resolve", surprise)
    answer = await unresolved(good)
    assert (answer.reason, "secret" in answer.message) == ("InternalError", False)


async def test_a_job_has_its_time_and_no_more(good: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(resolve, "_image", hang)
    monkeypatch.setattr(
        plant, "Gatherer", lambda config, seconds: Gatherer(config, seconds=seconds / 1000)
    )
    answer = await unresolved(good)
    assert answer.reason == "SourceUnavailable"
    assert "was not gathered within" in answer.message


COPIED = {
    "modelDelivery": "InitContainer",
    "modelCopier": "registry.example/interlock/copier@sha256:" + "c0" * 32,
}


async def test_the_files_are_named_where_init_containers_copy_them(good: Plant) -> None:
    found = await good.findings()
    assert isinstance(found, Findings)
    assert found.files == []
    good.configured = COPIED
    found = await good.findings()
    assert isinstance(found, Findings)
    assert f"sha256:{digests.model_tree(found.files)}" == good.spec()["model"]["tree"]


async def test_files_that_cannot_be_copied_are_a_sentence(
    good: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    good.configured = COPIED
    monkeypatch.setattr(delivery, "MAX_MANIFEST_BYTES", 100)
    answer = await unresolved(good)
    assert (answer.reason, "at most 100" in answer.message) == ("Invalid", True)


async def test_a_list_of_files_costs_no_evidence_its_place(
    good: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    good.configured = COPIED
    found = await good.findings()
    assert isinstance(found, Findings)
    without = found.model_copy(update={"files": []})
    size = len(without.model_dump_json(by_alias=True, exclude_none=True))
    monkeypatch.setattr(findings, "MAX_FINDINGS_BYTES", size)
    assert await good.findings() == found
