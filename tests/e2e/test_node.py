"""The node profile is a real node: pods run, answer, log, and leave nothing when it ends."""

import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import pytest

from interlock.api.digests import ModelFile, model_tree
from interlock_sandbox.node.holder import KERNEL
from interlock_sandbox.sandbox import NotUp, Sandbox
from support.node_end import ended
from support.onnode import MODEL, Workload, get, listening


@pytest.fixture(scope="module")
def press(node: Sandbox) -> Iterator[Workload]:
    made = Workload.deploy(node, "press")
    yield made
    node.kubectl("delete", "namespace", made.name, "--wait=false")


def answers(one: Workload, other: Workload) -> bool:
    try:
        return bool(one.asks(other.url("/"), seconds=2))
    except TimeoutError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"


def test_the_node_is_the_only_one_and_is_kubelets(node: Sandbox) -> None:
    nodes = json.loads(node.kubectl("get", "nodes", "-o", "json"))["items"]
    assert [entry["metadata"]["name"] for entry in nodes] == [node.outputs["node"]]
    assert nodes[0]["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://2.")
    addresses = {entry["type"]: entry["address"] for entry in nodes[0]["status"]["addresses"]}
    assert addresses["InternalIP"] == node.outputs["node_address"]


def test_a_restricted_pod_is_made_ready_by_its_own_answer(press: Workload) -> None:
    conditions = {entry["type"]: entry["status"] for entry in press.pod["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    assert press.pod["status"]["podIP"].startswith("10.244.")


def test_what_runs_is_the_image_that_was_named_by_digest(press: Workload) -> None:
    running = press.pod["status"]["containerStatuses"][0]
    assert running["imageID"] == press.image


def test_its_cluster_address_answers_from_this_process(press: Workload) -> None:
    assert json.loads(press.ask("/"))["version"] == "1-press"


def test_it_can_be_reached_at_its_own_address_too(press: Workload) -> None:
    assert get(f"http://{press.pod['status']['podIP']}:8080/healthz")


def test_the_model_is_an_image_volume_pulled_by_its_digest(press: Workload) -> None:
    mounts = press.pod["status"]["containerStatuses"][0]["volumeMounts"]
    assert [(mount["name"], mount["readOnly"]) for mount in mounts] == [("model", True)]
    assert f'Successfully pulled image "{press.model}"' in press.kubectl("get", "events")


def test_the_model_is_there_file_by_file(press: Workload) -> None:
    files = (
        ModelFile(path, len(content), hashlib.sha256(content).hexdigest())
        for path, content in MODEL.items()
    )
    assert json.loads(press.ask("/.well-known/agent"))["modelTree"] == model_tree(files)


def test_not_even_root_can_change_the_model(press: Workload) -> None:
    model = Path(f"/proc/{press.pid}/root/models/{press.name}")
    assert (model / "config.json").read_bytes() == MODEL["config.json"]
    with pytest.raises(OSError, match="Read-only file system"):
        (model / "config.json").write_bytes(b"{}")


def test_its_log_can_be_read(press: Workload) -> None:
    assert "8080" in press.kubectl("logs", f"deployment/{press.name}")


def test_kubelet_lets_nobody_in_without_a_certificate(node: Sandbox) -> None:
    found = json.loads(node.kubectl("get", "node", node.outputs["node"], "-o", "json"))
    port = found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    context = ssl.create_default_context(cafile=node.outputs["kubernetes_ca"])
    kubelet = http.client.HTTPSConnection(node.outputs["node_address"], port, context=context)
    with closing(kubelet):
        kubelet.request("GET", "/pods")
        assert kubelet.getresponse().status == HTTPStatus.UNAUTHORIZED


def test_the_kernel_keeps_the_machines_own_settings(node: Sandbox) -> None:
    holder = (node.home / "node" / "pid").read_text()
    for setting, wanted in KERNEL.items():
        shown = Path(f"/proc/{holder}/root/proc/sys/{setting}")
        assert shown.read_text().strip() == wanted
        assert not shown.samefile(f"/proc/sys/{setting}")


def test_a_pod_reaches_itself_by_its_cluster_address(press: Workload) -> None:
    press.ask("/")
    assert json.loads(press.asks(press.url("/")))["version"] == "1-press"


def test_a_pod_reaches_what_listens_on_the_nodes_address(node: Sandbox, press: Workload) -> None:
    address = node.outputs["node_address"]
    with listening(address) as port:
        assert press.asks(f"http://{address}:{port}/") == "from outside"


def test_a_network_policy_is_enforced_on_the_pods_cable(node: Sandbox, press: Workload) -> None:
    line = Workload.deploy(node, "line")
    line.ask("/")
    assert json.loads(press.asks(line.url("/")))["version"] == "1-line"
    closed = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed", "namespace": line.name},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    node.kubectl("create", "-f", "-", stdin=json.dumps(closed))
    wait_for(lambda: not answers(press, line))
    assert line.ask("/healthz"), "the node itself is not a pod: its probes go on"
    node.kubectl("delete", "namespace", line.name, "--wait=false")


def test_a_second_node_in_the_same_network_is_refused_in_one_sentence(node: Sandbox) -> None:
    with pytest.raises(NotUp, match="Another sandbox has a node in this network"):
        Sandbox(("node",)).__enter__()
    assert node.kubectl("get", "nodes", "--no-headers").split()[1] == "Ready"


@pytest.mark.parametrize("how", ["asked", "killed"])
@pytest.mark.usefixtures("node")
def test_nothing_is_left_however_it_ends(how: str) -> None:
    told = ended(how)
    never = ("mounts",)  # those are in the node's own namespace from the beginning
    assert all(rows for what, rows in told["up"].items() if what not in never), told["up"]
    assert not any(told["left"].values()), told["left"]
