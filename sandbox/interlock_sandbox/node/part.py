"""The parts of a node, in start order around the control plane's.

The runtime needs nobody and comes first, which is also when a machine that cannot run a node is
told so. kubelet, kube-proxy and the filter for network policies need the API server.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox import images, tools
from interlock_sandbox.kubernetes import NODE, NODE_ADDRESS, kubeconfig_file, kubectl
from interlock_sandbox.node import cgroups, config, holder, needs, network
from interlock_sandbox.process import Spec, free_port, http_ok

_PAUSE = Path(__file__).parent / "pause"
_FOLDER = "node"


class Runtime:
    """The node's namespaces, and containerd in them."""

    name = "node-runtime"

    def specs(self, home: Path) -> Sequence[Spec]:
        """What holds the node together first; the runtime is ready when it has the pause image."""
        needs.check(home)
        folder = home / _FOLDER
        networks = folder / "networks"
        networks.mkdir(mode=0o700, parents=True)
        (networks / "pods.conflist").write_text(config.pod_network(network.POD_RANGE))
        runc, plugins = needs.program("runc"), needs.plugins()
        (folder / "containerd.toml").write_text(config.containerd(plugins, networks, runc))
        archive = folder / "pause.tar"
        program = tools.compiled(_PAUSE).read_bytes()
        archive.write_bytes(
            images.archive(config.PAUSE_IMAGE, {"pause": program}, {"Entrypoint": ["/pause"]})
        )
        return [_holder(home), _containerd(home, archive)]

    def outputs(self) -> Mapping[str, str]:
        """Nothing: only kubelet talks to it."""
        return {}


class Node:
    """kubelet, kube-proxy, and a program that enforces NetworkPolicy."""

    name = _FOLDER

    def specs(self, home: Path) -> Sequence[Spec]:
        """The filter first, so that no pod is ever without it; then kubelet and kube-proxy."""
        return [_netpol(home), _kubelet(home), _proxy(home)]

    def outputs(self) -> Mapping[str, str]:
        """The node's name, and an address of this machine that pods can reach."""
        return {"node": NODE, "node_address": NODE_ADDRESS, "pod_range": network.POD_RANGE}


def _holder(home: Path) -> Spec:
    return Spec(
        name="node-holder",
        argv=(sys.executable, "-m", "interlock_sandbox.node.holder", str(home)),
        ready=holder.pid_file(home).exists,
    )


def _containerd(home: Path, pause: Path) -> Spec:
    program = tools.find("containerd")
    take = (str(tools.find("ctr")), "--namespace=k8s.io", "images", "import", str(pause))
    path = os.pathsep.join((str(tools.find("containerd-shim-runc-v2").parent), needs.SEARCH))
    settings = str(home / _FOLDER / "containerd.toml")
    return Spec(
        name="containerd",
        argv=holder.inside(home, str(program), f"--config={settings}", "--log-level=warn"),
        env={"PATH": path},
        ready=lambda: holder.succeeds(home, *take),
    )


def _netpol(home: Path) -> Spec:
    argv = (
        sys.executable,
        "-m",
        "interlock_sandbox.netpol",
        f"--kubeconfig={kubeconfig_file(home, 'netpol')}",
        f"--pod-cidr={network.POD_RANGE}",
    )
    log = home / "logs" / "netpol.log"
    return Spec(
        name="netpol",
        argv=argv,
        env={"PATH": needs.SEARCH},
        ready=lambda: any(line.startswith("ready") for line in log.read_text().splitlines()),
    )


def _kubelet(home: Path) -> Spec:
    ports = free_port(), free_port()
    settings = home / _FOLDER / "kubelet.json"
    certificates = kubeconfig_file(home, "kubelet").parent
    cgroup = cgroups.name(home)
    settings.write_text(config.kubelet(NODE_ADDRESS, ports, certificates, cgroup))
    argv = (
        str(tools.find("kubelet")),
        f"--config={settings}",
        f"--kubeconfig={kubeconfig_file(home, 'kubelet')}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
    )
    admin = kubeconfig_file(home, "admin")
    return Spec(
        name="kubelet",
        argv=holder.inside(home, *argv),
        env={"PATH": needs.SEARCH},
        ready=lambda: _node_ready(admin),
    )


def _proxy(home: Path) -> Spec:
    health = f"127.0.0.1:{free_port()}"
    argv = (
        str(tools.find("kube-proxy")),
        f"--kubeconfig={kubeconfig_file(home, 'kube-proxy')}",
        f"--hostname-override={NODE}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={network.POD_RANGE}",
        f"--healthz-bind-address={health}",
        f"--metrics-bind-address=127.0.0.1:{free_port()}",
        # The kernel's own limits do, and in a network of one's own they cannot be changed.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )
    return Spec(
        name="kube-proxy",
        argv=holder.inside(home, *argv),
        env={"PATH": needs.SEARCH},
        ready=lambda: http_ok(f"http://{health}/healthz"),
    )


def _node_ready(admin: Path) -> bool:
    try:
        kubectl(admin, "wait", f"node/{NODE}", "--for=condition=Ready", "--timeout=2s")
    except RuntimeError:
        return False
    return True
