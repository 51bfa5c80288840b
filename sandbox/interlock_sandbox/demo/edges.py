"""Who can talk to whom, tried with real packets from inside the pods' own networks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from interlock_sandbox.agentimage import push_agent
from interlock_sandbox.demo import show
from interlock_sandbox.demo.world import TEAM, World
from interlock_sandbox.node import needs

NEIGHBOURS = {"hmi": 8080, "mes": 8443}
"""Pods of the team beside the agent, as its edges name them, and where they listen."""
_SECONDS = 2
_ASK = (
    "import sys, urllib.request as http\n"
    "opener = http.build_opener(http.ProxyHandler({}))\n"
    f"opener.open(sys.argv[1], timeout={_SECONDS}).read(1)\n"
)


def start_neighbours(world: World) -> None:
    """The pods that the agent's edges speak of, in the team's namespace."""
    image = push_agent(world.outputs["registry"], version="neighbour")
    items = [_neighbour(name, port, image) for name, port in NEIGHBOURS.items()]
    body = {"apiVersion": "v1", "kind": "List", "items": items}
    world.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    pods = [f"pod/{name}" for name in NEIGHBOURS]
    world.kubectl("wait", "-n", TEAM, *pods, "--for=condition=Ready", "--timeout=60s")


def pod(world: World, namespace: str, selector: str) -> dict[str, Any]:
    """The first pod that a selector finds."""
    found: list[dict[str, Any]] = json.loads(
        world.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json")
    )["items"]
    show.hold(found, f"a pod in {namespace}")
    return found[0]


def reaches(source: dict[str, Any], url: str) -> bool:
    """Whether a pod gets any answer from `url`."""
    inside = (needs.program("nsenter"), "--target", str(_pid(source)), "--net", "--")
    done = subprocess.run(
        (*inside, sys.executable, "-c", _ASK, url), capture_output=True, text=True, check=False
    )
    name = source["metadata"]["name"]
    verdict = "answered" if done.returncode == 0 else f"refused (no answer within {_SECONDS} s)"
    show.say(f"from pod {name} to {url}: {verdict}")
    return done.returncode == 0


def _neighbour(name: str, port: int, image: str) -> dict[str, Any]:
    container = {
        "name": name,
        "image": image,
        "env": [{"name": "PORT", "value": str(port)}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": TEAM, "labels": {"app": name}},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }


def _pid(source: dict[str, Any]) -> int:
    """A process of a pod's container, as this machine sees it."""
    container = source["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if container in (folder / "cgroup").read_text():
                return int(folder.name)
        except OSError:  # ended meanwhile
            continue
    raise show.Unheld(f"no process of {source['metadata']['name']} runs")
