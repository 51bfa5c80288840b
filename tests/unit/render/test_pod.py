"""Whatever a team may write, the pod is `restricted`, by digest, and equal to its admission."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.api.kinds import AgentDeploymentSpec
from interlock.render.admission import admitted, deployment_of, pod_of, quota
from interlock.render.pod import by_digest, pod_spec
from interlock.render.revision import revision_objects

HEX = "cd" * 32
WORD = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
REGISTRY = st.sampled_from(["registry.example", "registry.example:5000", "127.0.0.1:5000"])
TAG = st.sampled_from(["", ":latest", ":1.2.3"])


@st.composite
def references(draw: st.DrawFn) -> str:
    path = "/".join(draw(st.lists(WORD, min_size=1, max_size=3)))
    return f"{draw(REGISTRY)}/{path}{draw(TAG)}@sha256:{HEX}"


@st.composite
def contents(draw: st.DrawFn) -> AgentDeploymentSpec:
    secrets = [
        {
            "name": f"s-{index}",
            "externalSecret": draw(WORD),
            "as": draw(st.sampled_from(["env", "file"])),
        }
        for index in range(draw(st.integers(0, 4)))
    ]
    value: dict[str, Any] = {
        "riskTier": "low",
        "image": draw(references()),
        "port": draw(st.integers(1, 65535)),
        "env": draw(st.dictionaries(WORD.map(str.upper), st.text(max_size=8), max_size=4)),
        "secrets": secrets,
        "resources": {"cpu": draw(st.sampled_from(["1", "250m", "1000m"])), "memory": "64Mi"},
    }
    if draw(st.booleans()):
        value["model"] = {"name": draw(WORD), "version": "1", "volume": draw(references())}
    if draw(st.booleans()):
        value["health"] = {"http": "/healthz"}
    return AgentDeploymentSpec.model_validate(value)


def rendered(spec: AgentDeploymentSpec, **options: Any) -> list[dict[str, Any]]:
    return revision_objects("agent-x", "press", HEX, spec, {}, **options)


def restricted(pod: dict[str, Any]) -> list[str]:
    """What Pod Security `restricted` (and our own rules) would find wrong."""
    body, found = pod["spec"], []
    for field in ("hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"):
        if field in body:
            found.append(field)
    if body["securityContext"].get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("seccomp")
    if body["securityContext"].get("runAsUser", 0) < 10000:
        found.append("runAsUser")
    if body.get("automountServiceAccountToken") is not False:
        found.append("token")
    for container in body["containers"]:
        context = container["securityContext"]
        wanted = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        }
        found += [key for key, value in wanted.items() if context.get(key) != value]
        found += [key for key in ("envFrom", "lifecycle", "livenessProbe") if key in container]
        found += ["hostPort" for port in container["ports"] if "hostPort" in port]
        found += ["mount" for each in container["volumeMounts"] if not writable_or_read_only(each)]
    kinds = {key for volume in body["volumes"] for key in volume} - {"name"}
    return found + sorted(kinds - {"emptyDir", "image", "configMap", "secret"})


def writable_or_read_only(mount: dict[str, Any]) -> bool:
    return mount["mountPath"] == "/tmp" or mount.get("readOnly") is True


@settings(max_examples=30)
@given(contents())
def test_every_pod_is_restricted(spec: AgentDeploymentSpec) -> None:
    assert restricted(pod_of(deployment_of(rendered(spec)))) == []


@settings(max_examples=30)
@given(contents())
def test_every_image_is_named_by_digest_alone(spec: AgentDeploymentSpec) -> None:
    body = pod_of(deployment_of(rendered(spec)))["spec"]
    images = [container["image"] for container in body["containers"]]
    images += [volume["image"]["reference"] for volume in body["volumes"] if "image" in volume]
    for image in images:
        location, _, digest = image.partition("@")
        assert digest == f"sha256:{HEX}"
        assert ":" not in location.rpartition("/")[2]


@pytest.mark.parametrize(
    ("reference", "pinned"),
    [
        ("registry.example:5000/a/b:1@sha256:x", "registry.example:5000/a/b@sha256:x"),
        ("registry.example:5000/b@sha256:x", "registry.example:5000/b@sha256:x"),
        ("registry.example/a/b.c-d:1@sha256:x", "registry.example/a/b.c-d@sha256:x"),
    ],
)
def test_the_tag_is_dropped_and_a_registry_port_is_none(reference: str, pinned: str) -> None:
    assert by_digest(reference, "image") == pinned


def admits(entry: dict[str, Any], pod: dict[str, Any]) -> bool:
    """The rules of the pod admission policy, as the API server applies them."""
    body = pod["spec"]
    containers = [
        {
            "name": each["name"],
            "image": each["image"],
            "command": each.get("command", []),
            "args": each.get("args", []),
            "env": [variable_of(variable) for variable in each["env"]],
            "mounts": [
                {"name": m["name"], "path": m["mountPath"], "readOnly": m.get("readOnly", False)}
                for m in each["volumeMounts"]
            ],
        }
        for each in body["containers"]
    ]
    return bool(
        entry["name"] == pod["metadata"]["labels"]["interlock.dev/revision"]
        and entry["serviceAccount"] == body["serviceAccountName"]
        and entry["containers"] == containers
        and entry["volumes"] == [volume_of(volume) for volume in body["volumes"]]
    )


def variable_of(variable: dict[str, Any]) -> dict[str, str]:
    source = variable.get("valueFrom", {}).get("secretKeyRef", {"name": "", "key": ""})
    literal = variable.get("value", "")
    return {
        "name": variable["name"],
        "value": literal,
        "secret": source["name"],
        "key": source["key"],
    }


def volume_of(volume: dict[str, Any]) -> dict[str, str]:
    fields = {"image": "reference", "configMap": "name", "secret": "secretName"}
    (kind,) = volume.keys() - {"name"}
    reference = volume[kind][fields[kind]] if kind in fields else ""
    return {"name": volume["name"], "type": kind, "reference": reference}


@settings(max_examples=30)
@given(contents())
def test_the_entry_admits_exactly_its_own_pod(spec: AgentDeploymentSpec) -> None:
    objects = rendered(spec)
    pod = pod_of(deployment_of(objects))
    entry = admitted("press-cdcdcdcdcd", HEX, objects, False)
    assert admits(entry, pod)
    for change in ("image", "env", "command", "volume", "label", "account"):
        assert not admits(entry, changed(pod, change)), change


def changed(pod: dict[str, Any], what: str) -> dict[str, Any]:
    other = deepcopy(pod)
    (container,) = other["spec"]["containers"]
    match what:
        case "image":
            container["image"] += "0"
        case "env":
            container["env"].append({"name": "X", "value": "y"})
        case "command":
            container["command"] = ["/bin/sh"]
        case "volume":
            other["spec"]["volumes"].append({"name": "x", "secret": {"secretName": "y"}})
        case "label":
            other["metadata"]["labels"]["interlock.dev/revision"] = "none"
        case "account":
            other["spec"]["serviceAccountName"] = "default"
    return other


def test_the_runtime_class_is_governance_s_and_the_entry_s_and_no_content_s() -> None:
    spec = AgentDeploymentSpec(risk_tier="low", image=f"registry.example/a@sha256:{HEX}")
    plain, sandboxed = rendered(spec), rendered(spec, runtime_class="gvisor")
    pods = [pod_of(deployment_of(objects)) for objects in (plain, sandboxed)]
    entries = [admitted("press-cdcdcdcdcd", HEX, objects, False) for objects in (plain, sandboxed)]
    assert [pod["spec"].get("runtimeClassName") for pod in pods] == [None, "gvisor"]
    assert [entry.get("runtimeClass") for entry in entries] == [None, "gvisor"]
    del pods[1]["spec"]["runtimeClassName"]
    assert pods[0] == pods[1]


def test_the_entry_says_what_it_is_and_whether_it_may_be_gone_back_to() -> None:
    spec = AgentDeploymentSpec(risk_tier="low", image=f"registry.example/a@sha256:{HEX}")
    for eligible in (True, False):
        entry = admitted("press-cdcdcdcdcd", HEX, rendered(spec), eligible)
        assert (entry["digest"], entry["eligible"]) == (HEX, eligible)


def test_the_dry_run_pod_is_the_template_in_the_namespace_of_the_deployment() -> None:
    spec = AgentDeploymentSpec(risk_tier="low", image=f"registry.example/a@sha256:{HEX}")
    deployment = deployment_of(rendered(spec))
    before = deepcopy(deployment)
    pod = pod_of(deployment)
    assert deployment == before
    assert pod["spec"] == deployment["spec"]["template"]["spec"]
    assert pod["metadata"]["namespace"] == "agent-x"
    assert pod["metadata"]["generateName"].startswith("press-cdcdcdcdcd-")
    assert pod["metadata"]["labels"].keys() - deployment["spec"]["template"]["metadata"][
        "labels"
    ].keys() == {"pod-template-hash"}


def test_objects_without_a_deployment_are_no_revision() -> None:
    with pytest.raises(ValueError, match="exactly one Deployment, these objects hold 0"):
        deployment_of([])


def test_the_quota_is_the_sum_with_one_surge_pod_an_entry() -> None:
    spec = AgentDeploymentSpec(risk_tier="low", image=f"registry.example/a@sha256:{HEX}")
    larger = spec.resources.model_copy(update={"cpu": "1", "memory": "1Gi"})
    hard = quota([(2, spec.resources), (0, larger)])
    assert hard["pods"] == "4"
    assert hard["requests.cpu"] == hard["limits.cpu"] == "1300m"
    assert hard["requests.memory"] == hard["limits.memory"] == "1408Mi"
    assert hard["services.nodeports"] == hard["services.loadbalancers"] == "0"


def test_grpc_health_is_asked_by_the_kubelet_as_well() -> None:
    image = f"registry.example/agents/press@sha256:{HEX}"
    spec = AgentDeploymentSpec.model_validate(
        {"riskTier": "low", "image": image, "port": 9000, "health": {"grpc": "agent.v1.Agent"}}
    )
    (container,) = pod_spec("press", HEX, spec)["containers"]
    assert container["readinessProbe"]["grpc"] == {"port": 9000, "service": "agent.v1.Agent"}
