"""Installs Interlock on a cluster from `manifests/`, without the Deployments' pods.

The sandbox and the tests run the same entry points as processes of this machine, with the service
accounts' own tokens, so everything is installed as on a real cluster and scaled to zero.
"""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from interlock_sandbox import tools
from interlock_sandbox.kubernetes import kubectl

MANIFESTS = Path(__file__).parents[2] / "manifests"
TIMEOUT = 60.0  # seconds until the policies must answer; they do within one or two
_Object = dict[str, Any]

# An API server takes up policies in the order in which it sees them, so the last one applied
# speaks for all. This one can be asked without a namespace of an agent's.
_LAST = "interlock-namespaces"
_MANAGED = {"interlock.dev/managed": "true"}
_HOSTILE: _Object = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "agent-install-probe", "labels": _MANAGED},
}
_REQUEST: _Object = {
    "apiVersion": "interlock.dev/v1alpha1",
    "kind": "AgentQuarantine",
    "metadata": {"name": "install-probe", "namespace": "default"},
    "spec": {"agent": "none", "reason": "probe", "requestedBy": "somebody-else"},
}


def install(kubeconfig: Path) -> None:
    """Applies CRDs, roles and policies, and returns when all of them are in force."""
    objects = rendered()
    kinds = [entry for entry in objects if entry["kind"] == "CustomResourceDefinition"]
    _apply(kubeconfig, [entry for entry in objects if entry["kind"] == "Namespace"] + kinds)
    names = [f"crd/{entry['metadata']['name']}" for entry in kinds]
    kubectl(kubeconfig, "wait", "--for=condition=Established", "--timeout=60s", *names)
    _apply(kubeconfig, [entry for entry in objects if entry not in kinds])
    _until(lambda: _refused(kubeconfig, _HOSTILE), "the policy interlock-namespaces did not answer")
    _until(
        lambda: not _refused(kubeconfig, _REQUEST), "the policy interlock-requests did not answer"
    )


def rendered() -> list[_Object]:
    """What kustomize makes of `manifests/`, with no replicas and the policy to ask put last."""
    command = [str(tools.find("kubectl")), "kustomize", str(MANIFESTS)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    objects = [dict(entry) for entry in yaml.safe_load_all(text)]
    for entry in objects:
        if entry["kind"] == "Deployment":
            entry["spec"]["replicas"] = 0
    return sorted(objects, key=lambda entry: entry["metadata"]["name"] == _LAST)


def _apply(kubeconfig: Path, objects: list[_Object]) -> None:
    arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    kubectl(kubeconfig, *arguments, stdin=yaml.safe_dump_all(objects))


def _refused(kubeconfig: Path, body: Mapping[str, Any]) -> bool:
    """Whether the administrator is refused; nothing is stored either way."""
    try:
        kubectl(kubeconfig, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    except RuntimeError:
        return True
    return False


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {TIMEOUT:.0f} s of being applied.")
        time.sleep(0.1)
