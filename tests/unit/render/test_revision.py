"""A content becomes these objects, the same bytes every time, or a sentence that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.render import RENDERER, Unrenderable

GOLDEN = Path(__file__).parent / "golden"
Render = Callable[..., list[dict[str, Any]]]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in objects if entry["kind"] == kind]


def deployment(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = of_kind(objects, "Deployment")
    return found


def pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = deployment(objects)["spec"]["template"]["spec"]
    return found


def test_the_full_content_renders_to_the_golden_objects(
    render: Render, spec: dict[str, Any]
) -> None:
    """Other bytes from the same content are another renderer: change RENDERER, add a file."""
    golden = json.loads((GOLDEN / f"{RENDERER}.json").read_text())
    assert render(spec) == golden


def test_the_order_of_what_has_no_order_changes_nothing(
    render: Render, spec: dict[str, Any]
) -> None:
    before = json.dumps(render(spec))
    spec["env"] = dict(reversed(spec["env"].items()))
    assert json.dumps(render(spec)) == before


def test_the_deployment_starts_without_pods_and_with_the_two_labels(
    render: Render, spec: dict[str, Any]
) -> None:
    body = deployment(render(spec))
    labels = {"interlock.dev/agent": "press", "interlock.dev/revision": "press-ababababab"}
    assert body["metadata"]["name"] == "press-ababababab"
    assert body["spec"]["replicas"] == 0
    assert body["spec"]["selector"]["matchLabels"] == labels
    assert body["spec"]["template"]["metadata"]["labels"] == labels


@pytest.mark.parametrize(
    ("drain", "grace"), [("5s", 30), ("30s", 30), ("45s", 45), ("10m", 600), ("20h", 3600)]
)
def test_the_grace_period_is_the_drain_within_bounds(
    render: Render, spec: dict[str, Any], drain: str, grace: int
) -> None:
    spec["rollout"] = {"drain": drain}
    assert pod(render(spec))["terminationGracePeriodSeconds"] == grace


def test_without_a_health_path_there_is_no_probe(render: Render, spec: dict[str, Any]) -> None:
    assert "readinessProbe" in pod(render(spec))["containers"][0]
    del spec["health"]
    assert "readinessProbe" not in pod(render(spec))["containers"][0]


def test_config_maps_are_immutable_copies_once_each_and_of_no_single_revision(
    render: Render, spec: dict[str, Any]
) -> None:
    copies = of_kind(render(spec), "ConfigMap")
    assert [copy["metadata"]["name"] for copy in copies] == [
        "mes-tools-1f09c2",
        "press-limits-77ab04",
    ]
    assert all(copy["immutable"] for copy in copies)
    assert all("interlock.dev/revision" not in copy["metadata"]["labels"] for copy in copies)


def test_secrets_are_references_only(render: Render, spec: dict[str, Any]) -> None:
    body = pod(render(spec))
    variables = {entry["name"]: entry for entry in body["containers"][0]["env"]}
    assert variables["mes-token"]["valueFrom"] == {
        "secretKeyRef": {"name": "press-mes", "key": "mes-token"}
    }
    volumes = {entry["name"]: entry for entry in body["volumes"]}
    (mount,) = (
        entry
        for entry in body["containers"][0]["volumeMounts"]
        if entry["mountPath"] == "/secrets/mes-tls"
    )
    assert volumes[mount["name"]]["secret"] == {"secretName": "press-tls"}
    assert mount["readOnly"] is True


def refused(render: Render, spec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Unrenderable, match=sentence):
        render(spec)


def test_an_image_without_digest_is_refused(render: Render, spec: dict[str, Any]) -> None:
    spec["image"] = "registry.example/agents/press:1.4.2"
    refused(render, spec, r"image is registry.example/agents/press:1.4.2, expected .*@sha256")


def test_a_model_without_volume_is_refused(render: Render, spec: dict[str, Any]) -> None:
    del spec["model"]["volume"]
    refused(render, spec, "model.volume is absent")


def test_a_config_map_that_is_not_there_is_refused(render: Render, spec: dict[str, Any]) -> None:
    with pytest.raises(
        Unrenderable, match=r"tools\[mes.schedule_order\].schema names .* not there"
    ):
        render(spec, {})


def test_a_config_map_with_other_bytes_than_pinned_is_refused(
    render: Render, spec: dict[str, Any]
) -> None:
    spec["policies"][0]["digest"] = "sha256:" + "0" * 64
    refused(render, spec, r"policies\[limits\]: the ConfigMap press-limits-77ab04 is sha256:")


def test_an_unpinned_config_map_is_refused(render: Render, spec: dict[str, Any]) -> None:
    del spec["policies"][0]["digest"]
    refused(render, spec, "the spec pins nothing")


@pytest.mark.parametrize("name", ["INTERLOCK_REVISION", "INTERLOCK_X", "ZONE"])
def test_a_reserved_or_double_variable_is_refused(
    render: Render, spec: dict[str, Any], name: str
) -> None:
    spec["secrets"] += [{"name": name, "externalSecret": "press-mes"}]
    refused(render, spec, f"the environment variable {name} is reserved or given twice")


def test_too_many_mounts_are_refused(render: Render, spec: dict[str, Any]) -> None:
    (tool, *_) = spec["tools"]
    spec["tools"] = [{**tool, "name": f"tool-{number}"} for number in range(13)]
    refused(render, spec, "need 17 mounts, at most 16")


def test_more_objects_than_an_agent_revision_holds_are_refused(
    render: Render, spec: dict[str, Any]
) -> None:
    edges = spec["network"]
    edges["egress"] = edges["egress"][:1] * 32
    edges["ingress"] = edges["ingress"] * 32
    refused(render, spec, "make 68 objects, at most 64")
