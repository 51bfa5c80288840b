"""Nodes without containers: pods on them get the statuses that real ones would, by the thousand.

Readiness follows the image's repository (see kwok_stages.yaml), so that a test chooses the fate
of a pod by its image and nothing else.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox import tools
from interlock_sandbox.kubernetes import kubeconfig_file, kubectl
from interlock_sandbox.process import Spec

NODE = "kwok"
_OURS = "kwok.x-k8s.io/node"
_ROOM = {"cpu": "10k", "memory": "10Ti", "pods": "20k"}
_STAGES = Path(__file__).parent / "kwok_stages.yaml"


class Kwok:
    """One node without taint, that takes any pod."""

    name = "kwok"

    def specs(self, home: Path) -> Sequence[Spec]:
        """The controller that plays kubelet; comes after the API server, which gets the Node."""
        config = kubeconfig_file(home, "kwok")
        kubectl(config, "create", "-f", "-", stdin=json.dumps(_node()))
        argv = (
            str(tools.find("kwok")),
            f"--kubeconfig={config}",
            f"--config={_STAGES}",
            f"--manage-nodes-with-annotation-selector={_OURS}=fake",
            "--node-lease-duration-seconds=40",  # without leases the node is lost after a minute
            "--cidr=10.244.0.0/16",  # room for as many pod addresses as the node takes pods
        )
        return [Spec(name=self.name, argv=argv, ready=lambda: _ready(config))]

    def outputs(self) -> Mapping[str, str]:
        """Nothing: pods find the node by themselves."""
        return {}


def _node() -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "annotations": {_OURS: "fake"},
            "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"},
        },
        "status": {"allocatable": _ROOM, "capacity": _ROOM},
    }


def _ready(config: Path) -> bool:
    try:
        kubectl(config, "wait", f"node/{NODE}", "--for=condition=Ready", "--timeout=2s")
    except RuntimeError:
        return False
    return True
