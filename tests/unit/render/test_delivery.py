"""A model that init containers copy: what its pod is then, and what cannot be copied."""

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from interlock.api.digests import ModelFile, model_tree
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.admission import AgentAdmission
from interlock.render import RENDERER, Unrenderable
from interlock.render.admission import admitted, deployment_of, pod_of
from interlock.render.delivery import MAX_MANIFEST_BYTES, Copied, manifest
from interlock.render.namespace import agent_admission
from interlock.render.revision import revision_objects

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden" / f"{RENDERER}-copied.json"
HEX = "ab" * 32
COPIER = f"registry.example/interlock/copier@sha256:{'c0' * 32}"
FILES = (
    ModelFile("weights/b c.safetensors", 5_000_000, "2" * 64),
    ModelFile("MLmodel", 100, "1" * 64),
    ModelFile("weights/a", 0, "3" * 64),
)
TREE = f"sha256:{model_tree(FILES)}"


def content(spec: Object, tree: str | None = TREE) -> AgentDeploymentSpec:
    """The full content, with a model of FILES."""
    model = {key: value for key, value in spec["model"].items() if key != "tree"}
    model |= {"tree": tree} if tree else {}
    return AgentDeploymentSpec.model_validate(spec | {"model": model})


def render(
    spec: AgentDeploymentSpec,
    config_maps: dict[str, dict[str, str]],
    files: Sequence[ModelFile] = FILES,
) -> list[Object]:
    copied = Copied(COPIER, tuple(files))
    return revision_objects("agent-line-4-press", "press", HEX, spec, config_maps, copied=copied)


@pytest.fixture
def objects(spec: Object, config_maps: dict[str, dict[str, str]]) -> list[Object]:
    return render(content(spec), config_maps)


@pytest.fixture
def pod(objects: list[Object]) -> Object:
    body: Object = pod_of(deployment_of(objects))["spec"]
    return body


def test_the_full_content_renders_to_the_golden_objects(objects: list[Object]) -> None:
    """Other bytes from the same content are another renderer: change RENDERER, add a file."""
    assert objects == json.loads(GOLDEN.read_text())


def test_nothing_but_the_model_s_way_differs_from_an_image_volume(
    spec: Object, config_maps: dict[str, dict[str, str]], objects: list[Object]
) -> None:
    volume = revision_objects(
        "agent-line-4-press", "press", HEX, content(spec), config_maps
    )  # fmt: skip
    changed = deepcopy(objects)
    added = [one for one in changed if one not in volume]
    assert [one["kind"] for one in added] == ["ConfigMap", "Deployment"]
    body = deployment_of(added)["spec"]["template"]["spec"]
    del body["initContainers"], body["volumes"][-2:]
    body["volumes"][1] = deployment_of(volume)["spec"]["template"]["spec"]["volumes"][1]
    assert [one for one in changed if one != added[0]] == volume


def test_an_agent_without_a_model_has_no_init_containers(
    spec: Object, config_maps: dict[str, dict[str, str]]
) -> None:
    del spec["model"]
    without = AgentDeploymentSpec.model_validate(spec)
    plain = revision_objects("agent-line-4-press", "press", HEX, without, config_maps)
    assert render(without, config_maps, ()) == plain


def test_the_agent_reads_what_was_filled_and_may_not_write_it(pod: Object) -> None:
    (agent,) = pod["containers"]
    (model,) = (one for one in agent["volumeMounts"] if one["mountPath"] == "/models/press")
    assert model["readOnly"] is True
    (volume,) = (one for one in pod["volumes"] if one["name"] == model["name"])
    assert volume.keys() == {"name", "emptyDir"}
    filling = {
        one["name"]
        for one in pod["initContainers"]
        for mount in one["volumeMounts"]
        if mount["name"] == model["name"] and not mount.get("readOnly")
    }
    assert filling == {"model"}
    ours = {"copier", "model-files"}
    assert not ours & {one["name"] for one in agent["volumeMounts"]}


def test_what_copies_is_the_configured_image_and_what_is_copied_the_pinned_one(
    spec: Object, pod: Object
) -> None:
    installer, copier = pod["initContainers"]
    assert installer["image"] == COPIER
    assert copier["image"] == spec["model"]["volume"]
    assert installer["command"] == ["/copier", "install", "/interlock/bin/copier"]
    assert copier["command"] == ["/interlock/bin/copier", "copy"]
    assert f"-tree={TREE}" in copier["args"]


def test_init_containers_are_restricted_and_need_no_more_quota_than_the_agent(pod: Object) -> None:
    (agent,) = pod["containers"]
    for one in pod["initContainers"]:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        }
        assert one["resources"] == agent["resources"]
        assert one["imagePullPolicy"] == "IfNotPresent"
        assert one.keys() <= {*agent, "command", "args", "terminationMessagePolicy"} - {"env"}


def test_the_manifest_is_immutable_and_named_by_its_tree(
    objects: list[Object], pod: Object
) -> None:
    name = "model-" + TREE.removeprefix("sha256:")
    (made,) = (one for one in objects if one["metadata"]["name"] == name)
    assert (made["kind"], made["immutable"]) == ("ConfigMap", True)
    assert made["data"] == {
        "files": f"{'1' * 64} 100 MLmodel\n"
        f"{'3' * 64} 0 weights/a\n"
        f"{'2' * 64} 5000000 weights/b c.safetensors\n"
    }
    assert {"name": "model-files", "configMap": {"name": name}} in pod["volumes"]
    assert len(name) > 63, "no team's ConfigMap has a name like it"


def test_the_folder_is_as_large_as_the_model(pod: Object) -> None:
    sizes = [one["emptyDir"]["sizeLimit"] for one in pod["volumes"] if "emptyDir" in one]
    assert sizes == ["64Mi", "6Mi", "16Mi"]


def test_files_that_are_not_the_pinned_tree_are_not_rendered(
    spec: Object, config_maps: dict[str, dict[str, str]]
) -> None:
    pinned = content(spec)
    more, other = ModelFile("z", 1, "4" * 64), FILES[0]._replace(size=1)
    for files in (FILES[1:], (*FILES, more), (*FILES[1:], other)):
        with pytest.raises(Unrenderable, match=r"model's files are the tree .* model\.tree"):
            render(pinned, config_maps, files)
    unpinned = render(content(spec, tree=None), config_maps)
    assert deployment_of(unpinned) == deployment_of(render(pinned, config_maps))
    with pytest.raises(Unrenderable, match="names no files of the model"):
        render(pinned, config_maps, ())


def test_a_volume_without_a_digest_is_not_rendered(
    spec: Object, config_maps: dict[str, dict[str, str]]
) -> None:
    spec["model"]["volume"] = "registry.example/models/press:12"
    with pytest.raises(Unrenderable, match=r"model\.volume is registry"):
        render(content(spec), config_maps)


def test_more_files_than_a_config_map_holds_are_a_sentence() -> None:
    one = len(f"{'0' * 64} 1 {0:05}\n")
    fits = [ModelFile(f"{n:05}", 1, "0" * 64) for n in range(MAX_MANIFEST_BYTES // one)]
    assert len(manifest(tuple(fits))) <= MAX_MANIFEST_BYTES
    more = (*fits, ModelFile("z" * 200, 1, "0" * 64))
    with pytest.raises(Unrenderable, match=r"files, whose list takes \d+ bytes, .* at most 524288"):
        manifest(more)


@pytest.mark.parametrize("path", ["etc/hosts", "proc", "dev/x", "sys/a/b", "run/x", "interlock/x"])
def test_a_file_where_a_runtime_mounts_is_a_sentence(path: str) -> None:
    with pytest.raises(Unrenderable, match="belongs to the runtime"):
        manifest((ModelFile(path, 1, "0" * 64),))
    assert manifest((ModelFile(f"model/{path}", 1, "0" * 64),))


def test_the_entry_lists_the_init_containers_field_by_field(
    objects: list[Object], pod: Object
) -> None:
    entry = admitted("press-ababababab", HEX, objects, True)
    admission = agent_admission("line-4", "press", [entry])
    AgentAdmission.model_validate(admission)
    assert [one["name"] for one in entry["initContainers"]] == ["copier", "model"]
    for said, rendered in zip(entry["initContainers"], pod["initContainers"], strict=True):
        assert said["image"] == rendered["image"]
        assert said["command"] == rendered["command"]
        assert said["args"] == rendered.get("args", [])
        assert said["env"] == []
        assert said["mounts"] == [
            {"name": one["name"], "path": one["mountPath"], "readOnly": "readOnly" in one}
            for one in rendered["volumeMounts"]
        ]
    assert [one["name"] for one in entry["volumes"]] == [one["name"] for one in pod["volumes"]]


def test_an_entry_without_init_containers_is_as_it_always_was(
    spec: Object, config_maps: dict[str, dict[str, str]]
) -> None:
    objects = revision_objects("agent-line-4-press", "press", HEX, content(spec), config_maps)
    assert "initContainers" not in admitted("press-ababababab", HEX, objects, True)
