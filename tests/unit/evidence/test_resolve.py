"""Pins beside what the world says: what is true, what is missing, what is somebody else's."""

from dataclasses import replace
from typing import Any

import pytest

from interlock.api import digests
from interlock.api.config import Config
from interlock.api.facts import Pin
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.evidence import resolve
from interlock.evidence.http import SourceRefused
from interlock.evidence.resolve import Answer, Resolved, ResolvedModel, World, pins

IMAGE, TREE, VOLUME, PROMPT = (f"sha256:{letter * 64}" for letter in "abcd")


def spec(**fields: Any) -> AgentDeploymentSpec:
    """A pinned spec; `fields` override."""
    volume = f"registry.example/models/press@{VOLUME}"
    value = {
        "riskTier": "high",
        "image": f"registry.example/agents/press:1@{IMAGE}",
        "model": {"name": "press", "version": "12", "tree": TREE, "volume": volume},
        "prompts": [{"name": "system", "version": "3", "digest": PROMPT}],
    }
    return AgentDeploymentSpec.model_validate(value | fields)


def world(**model: Answer) -> Resolved:
    """A world that agrees with the spec; `model` overrides what it says of the model."""
    answers: dict[str, Any] = {
        "version": Answer("12"),
        "tree": Answer(TREE),
        "volume": Answer(VOLUME),
        "volume_tree": Answer(TREE),
    }
    none = Answer()
    empty = ResolvedModel(version=none, tree=none, volume=none, volume_tree=none)
    said = replace(empty, **(answers | model))
    return Resolved(image=Answer(IMAGE), model=said, prompts={"system": Answer(PROMPT)})


def false(spec: AgentDeploymentSpec, resolved: Resolved) -> list[Pin]:
    return [pin for pin in pins(spec, resolved) if not pin.true]


def test_pins_that_are_true() -> None:
    assert [pin.name for pin in pins(spec(), world())] == [
        "image",
        "model.tree",
        "model.volume",
        "prompts[system].digest",
    ]
    assert false(spec(), world()) == []


@pytest.mark.parametrize(
    ("resolved", "name"),
    [
        (replace(world(), image=Answer(TREE)), "image"),
        (replace(world(), image=Answer(detail="gone")), "image"),
        (world(tree=Answer(IMAGE)), "model.tree"),
        (world(volume_tree=Answer(IMAGE)), "model.volume"),
        (replace(world(), prompts={"system": Answer(TREE)}), "prompts[system].digest"),
    ],
)
def test_a_pin_that_the_world_contradicts_is_false(resolved: Resolved, name: str) -> None:
    assert [pin.name for pin in false(spec(), resolved)] == [name]


def test_a_pin_that_is_left_out_is_false_and_says_what_it_would_be() -> None:
    bare = spec(image="registry.example/agents/press:1", model={"name": "press", "alias": "prod"})
    found = {pin.name: pin for pin in false(bare, world())}
    assert set(found) == {"image", "model.tree", "model.version"}
    assert {pin.expected for pin in found.values()} == {""}
    assert found["image"].got == IMAGE
    assert found["model.version"].got == "12"


def test_a_volume_by_tag_is_not_pinned() -> None:
    model = {"name": "press", "version": "12", "tree": TREE, "volume": "registry.example/m/press:1"}
    (pin,) = false(spec(model=model), world())
    assert (pin.name, pin.expected) == ("model.volume", "")


def test_config_maps_are_compared_with_the_cluster() -> None:
    data = {"schema.json": "{}"}
    good = f"sha256:{digests.config_map(data)}"
    tool = {"name": "mes", "endpoint": "https://mes.example", "effect": "write"}
    fields = spec(
        tools=[{**tool, "schema": {"configMap": "mes-tools", "digest": good}}],
        policies=[
            {"name": "limits", "configMap": "press-limits", "digest": TREE},
            {"name": "gone", "configMap": "gone", "digest": TREE},
        ],
    )
    assert resolve.config_map_names(fields) == {"mes-tools", "press-limits", "gone"}
    there = {"mes-tools": data, "press-limits": data, "gone": None}
    found = {pin.name: pin for pin in resolve.config_map_pins(fields, there)}
    assert found["tools[mes].schema.digest"].true
    assert not found["policies[limits].digest"].true
    assert found["policies[gone].digest"].detail == "the namespace has no ConfigMap gone"


async def test_a_registry_that_is_not_configured_is_refused() -> None:
    world = World(Config())
    with pytest.raises(SourceRefused, match="names no model registry 'default'"):
        world.registry("default")
    await world.close()
