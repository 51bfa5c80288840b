"""The sandbox's Prometheus scrapes agents' pods; whose they are, the API server says."""

import json
import time
import urllib.request
from pathlib import Path

from interlock_sandbox.prometheus import ClusterPrometheus
from interlock_sandbox.sandbox import Sandbox
from support.parts import running

NAMESPACE, REVISION = "scraped", "press-04bd62f1aa"
PATIENCE = 30.0
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "press-x",
        "namespace": NAMESPACE,
        "labels": {"interlock.dev/revision": REVISION, "namespace": "other"},
    },
    "spec": {
        "containers": [
            {
                "name": "agent",
                "image": "x.example/a:1",
                "ports": [{"name": "http", "containerPort": 9}],
            }
        ]
    },
}


def found(url: str) -> list[dict[str, str]]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/api/v1/targets", timeout=5) as answer:
        return [one["labels"] for one in json.load(answer)["data"]["activeTargets"]]


def test_a_pod_of_a_revision_is_scraped_as_that_revision(cluster: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "kubernetes").symlink_to(cluster.home / "kubernetes")
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(POD))
    deadline = time.monotonic() + PATIENCE
    with running(ClusterPrometheus(), tmp_path) as outputs:
        while not (labels := found(outputs["prometheus"])) and time.monotonic() < deadline:
            time.sleep(0.1)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    mine = [each for each in labels if each["namespace"] == NAMESPACE]
    assert [(each["pod"], each["interlock_revision"]) for each in mine] == [("press-x", REVISION)]
