"""Where the story's pods come from: a real node where this machine can run one, else kwok.

The story is the same. What differs is what fails (an agent that was told to, or a pretended pod),
how long that takes, and whether there is traffic to watch.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from interlock_sandbox import agentimage, tools
from interlock_sandbox.node import needs
from interlock_sandbox.node.needs import NodeError
from interlock_sandbox.node.netns import own_network

_BESIDE = ("mlflow", "sigstore", "registry", "gitea")
_COMPILED = ("kubernetes", "etcd", "registry", "gitea", "node", "containerd")


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to run the story."""

    name: str
    parts: tuple[str, ...]
    pods: str
    """What its pods are, in words."""
    ready_within: str
    """How long a version may take to become ready; kubelet asks anew every 5 s."""
    drain: str
    """kube-proxy needs up to a second to follow."""
    failing_bake: str
    """The bake of the version that turns unhealthy."""
    unhealthy: str
    """How that version fails."""


NODE = Profile(
    name="node",
    parts=("node", *_BESIDE),
    pods="pods run: containerd, kubelet, kube-proxy, enforced NetworkPolicy",
    ready_within="12s",
    drain="3s",
    failing_bake="60s",
    unhealthy="its /healthz answers 503 from 20 s after its start on",
)
CONTROL_PLANE = Profile(
    name="control-plane",
    parts=("kubernetes", *_BESIDE),
    pods="pods are pretended by kwok: no container runs, no packet flows",
    ready_within="4s",
    drain="1s",
    failing_bake="4s",
    unhealthy="its pods turn unready 3 s after they were ready",
)
NAMES = (NODE.name, CONTROL_PLANE.name)


def choose(asked: str | None) -> tuple[Profile, str]:
    """The profile of this run, and why. Raises NodeError, OSError where the node was asked for.

    For the node this process moves into a network of its own: call it before anything listens.
    """
    if asked == CONTROL_PLANE.name:
        return CONTROL_PLANE, "it was asked for"
    try:
        can_run_node()
        _compile()
        own_network()
    except (NodeError, OSError) as error:
        if asked:
            raise
        return CONTROL_PLANE, str(error)
    return NODE, "it was asked for" if asked else "this is Linux, and root with all it needs"


def can_run_node() -> None:
    """Raises NodeError where this machine cannot."""
    needs.check(Path(tempfile.gettempdir()))


def of(parts: tuple[str, ...]) -> Profile:
    """The profile of a sandbox with these parts."""
    return NODE if "node" in parts else CONTROL_PLANE


def _compile() -> None:
    """All programs, now: nothing can be fetched from a network of one's own."""
    tools.find_all(_COMPILED)
    agentimage.program()
