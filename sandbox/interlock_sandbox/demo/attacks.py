"""What somebody with every right in the cluster tries while the operator is dead."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from interlock_sandbox.demo import show
from interlock_sandbox.demo.world import AGENT, World
from interlock_sandbox.kubernetes import kubectl

Attack = Callable[[World, str], str]


def another_image(world: World, home: str) -> str:
    """A pod of the admitted revision with another image."""
    pods = json.loads(world.kubectl("get", "pods", "-n", home, "-o", "json"))["items"]
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "intruder",
            "namespace": home,
            "labels": pods[0]["metadata"]["labels"],
        },
        "spec": pods[0]["spec"],
    }
    for field in ("nodeName", "tolerations", "priority", "preemptionPolicy"):
        pod["spec"].pop(field, None)
    pod["spec"]["containers"][0]["image"] = f"registry.example/evil@sha256:{'0' * 64}"
    return _refused(world, ("create", "-f", "-"), pod)


def the_pointer(world: World, home: str) -> str:
    """A patch of the Service's selector as cluster admin."""
    patch = json.dumps({"spec": {"selector": {"interlock.dev/revision": "none"}}})
    return _refused(world, ("patch", "service", "agent", "-n", home, "-p", patch))


def a_forged_record(world: World, home: str) -> str:
    """An AgentTransition that nobody of ours signed."""
    items = json.loads(world.kubectl("get", "at", "-n", home, "-o", "json"))["items"]
    spec = items[0]["spec"] | {"number": 999}
    forged = {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentTransition",
        "metadata": {"name": f"{AGENT}-999", "namespace": home},
        "spec": spec,
    }
    return _refused(world, ("create", "-f", "-"), forged)


ATTACKS: tuple[Attack, ...] = (another_image, the_pointer, a_forged_record)


def _refused(world: World, arguments: tuple[str, ...], obj: dict[str, Any] | None = None) -> str:
    """Try it as cluster admin; return the API server's refusal. Raises Unheld if it is done."""
    try:
        out = kubectl(world.sandbox.kubeconfig, *arguments, stdin=json.dumps(obj) if obj else None)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        text = str(error)
        said = text.partition("denied request: ")[2] or text
        show.command("cluster-admin", ("kubectl", *arguments), f"refused: {said[:400]}")
        show.hold("denied" in text or "forbidden" in text, "the API server refuses", text)
        return text
    raise show.Unheld(f"expected a refusal; got: {out}")
