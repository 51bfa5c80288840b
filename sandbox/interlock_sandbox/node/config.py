"""The configuration files of the node's programs, as text. Pure.

They are what a production node has, less what a sandbox of an hour has no use for (eviction,
garbage collection of images, a DNS server).
"""

import json
from collections.abc import Mapping
from pathlib import Path

PAUSE_IMAGE = "docker.io/local/pause:1"
RUNTIME_SOCKET = "/run/containerd/containerd.sock"
_CONTAINERD = """\
version = 3
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{pause}'

[plugins.'io.containerd.cri.v1.runtime']
# Some machines hold back CAP_SYS_RESOURCE, without which no score can be lowered.
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{plugins}']
bin_dir = ''
conf_dir = '{networks}'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = '{runc}'
SystemdCgroup = false
"""


def containerd(plugins: Path, networks: Path, runc: str) -> str:
    """The container runtime: which CNI plugins and networks, which runc."""
    return _CONTAINERD.format(plugins=plugins, networks=networks, runc=runc, pause=PAUSE_IMAGE)


def pod_network(pods: str) -> str:
    """Each pod gets a cable of its own to the node, so that all its traffic is routed there.

    On a bridge, traffic between two pods would pass by the filters of the node.
    """
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    cable = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [cable]})


def kubelet(address: str, ports: tuple[int, int], certificates: Path, cgroup: str) -> str:
    """The node's agent; `ports` are those of its API (on `address`) and its health (loopback)."""
    api, health = ports
    clients = {"clientCAFile": str(certificates / "ca.crt")}
    config: Mapping[str, object] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "port": api,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": health,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": clients,
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificates / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(certificates / "kubelet-server.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "containerRuntimeEndpoint": f"unix://{RUNTIME_SOCKET}",
        "clusterDNS": ["10.96.0.10"],  # nobody answers there: a look-up fails at once
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "makeIPTablesUtilChains": False,  # kube-proxy speaks nftables
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "maxPods": 250,
    }
    return json.dumps(config, indent=2)
