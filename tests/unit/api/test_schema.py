"""The CRDs are structural, closed and bounded, and say the same as the kinds."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api.kinds import KINDS, AgentDeployment, Kind
from interlock.api.kinds.base import Model
from interlock.api.schema import _node, crd, structural

CRDS = Path(__file__).parents[3] / "crds"
FREE_FORM = {
    "AgentRevision": {".spec.content", ".spec.objects[]"},  # signed, and written by us alone
}
UNBOUNDED = {
    "string": lambda node: "maxLength" not in node and "enum" not in node,
    "array": lambda node: "maxItems" not in node,
    "object": lambda node: "additionalProperties" in node and "maxProperties" not in node,
}

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], f"{path}{{}}")


def unbounded(node: dict[str, Any]) -> list[str]:
    return [
        path
        for path, part in walk(node)
        if path not in (".apiVersion", ".kind", ".metadata")
        and UNBOUNDED.get(part["type"], lambda _: False)(part)
    ]


@every_kind
def test_nothing_that_others_send_is_unbounded(kind: type[Kind]) -> None:
    assert unbounded(structural(kind)) == []


@pytest.mark.parametrize(
    "node",
    [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}],
)
def test_the_walk_sees_what_is_unbounded(node: dict[str, Any]) -> None:
    assert unbounded({"type": "object", "properties": {"x": node}}) == [".x"]


@every_kind
def test_only_what_we_sign_ourselves_is_free_form(kind: type[Kind]) -> None:
    free = {
        path
        for path, node in walk(structural(kind))
        if node.get("x-kubernetes-preserve-unknown-fields")
    }
    assert free == FREE_FORM.get(kind.__name__, set())


@every_kind
def test_no_default_is_left_to_the_server(kind: type[Kind]) -> None:
    assert not [path for path, node in walk(structural(kind)) if "default" in node]


@every_kind
def test_nothing_is_in_it_that_a_structural_schema_forbids(kind: type[Kind]) -> None:
    forbidden = {"$ref", "$defs", "anyOf", "const", "title", "patternProperties", "propertyNames"}
    assert not [path for path, node in walk(structural(kind)) if forbidden & node.keys()]
    assert all("type" in node for _, node in walk(structural(kind)))


@every_kind
def test_each_column_shows_a_field_that_exists(kind: type[Kind]) -> None:
    known = {path.replace("[]", "[*]") for path, _ in walk(structural(kind))}
    free = {
        ".metadata.creationTimestamp",
        ".status.versions.targets",
        ".status.versions.revocations",
    }
    assert {column.json_path for column in kind.columns} <= known | free


def test_a_status_is_a_subresource() -> None:
    by_name = {kind.__name__: crd(kind)["spec"]["versions"][0] for kind in KINDS}
    assert by_name["AgentDeployment"]["subresources"] == {"status": {}}
    assert "subresources" not in by_name["GateDecision"]


def test_names_are_those_that_people_type() -> None:
    names = crd(AgentDeployment)["spec"]["names"]
    assert names["shortNames"] == ["ad"]
    assert names["categories"] == ["agents"]
    shorts = [short for kind in KINDS for short in kind.short_names]
    assert len(shorts) == len(set(shorts))


def test_keys_of_a_map_are_checked_by_rules() -> None:
    env = structural(AgentDeployment)["properties"]["spec"]["properties"]["env"]
    assert env["additionalProperties"] == {"type": "string", "maxLength": 4096}
    rules = [entry["rule"] for entry in env["x-kubernetes-validations"]]
    assert rules == [
        "self.all(key, size(key) <= 256)",
        "self.all(key, key.matches('^[A-Za-z_][A-Za-z0-9_]*$'))",
    ]


def test_a_union_of_two_types_is_refused_while_generating() -> None:
    class Odd(Model):
        either: int | str

    schema = Odd.model_json_schema()
    with pytest.raises(ValueError, match="unpack"):
        _node(schema, {})


def test_the_files_are_what_the_kinds_say() -> None:
    command = [sys.executable, str(CRDS / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_kind_has_its_file() -> None:
    assert {
        yaml.safe_load(path.read_text())["metadata"]["name"] for path in CRDS.glob("*s.yaml")
    } == {f"{kind.plural}.interlock.dev" for kind in KINDS}
