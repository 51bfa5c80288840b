"""A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler.

It is as strict as a production one where Interlock depends on it (own CA, client certificates,
Node and RBAC authorizers, no anonymous requests, audit log) and as fast as possible elsewhere.
"""

import json
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox import tools
from interlock_sandbox.pki import Authority, Pair, token_key, write_secret
from interlock_sandbox.process import Spec, free_port, http_ok

SERVICE_RANGE = "10.96.0.0/16"
_HOSTS = (
    "localhost",
    "127.0.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "10.96.0.1",  # the first address of SERVICE_RANGE is the API server's own Service
)
NODE = "node"
NODE_ADDRESS = "198.18.0.1"  # of the range for tests of network gear (RFC 2544): nobody's
_MASTERS = "system:masters"
# Kubeconfig file: (user, groups). Each program has the identity that Kubernetes made for it.
_USERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("sandbox-admin", (_MASTERS,)),
    "kwok": ("sandbox-kwok", (_MASTERS,)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "kubelet": (f"system:node:{NODE}", ("system:nodes",)),
    "kube-proxy": ("system:kube-proxy", ()),
    "netpol": ("sandbox-netpol", (_MASTERS,)),
}
# The defaults (20 and 50 requests a second) would be the bottleneck of every larger test.
_CLIENT_LIMITS = ("--kube-api-qps=300", "--kube-api-burst=600")
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


class Kubernetes:
    """The control plane; the nodes are another part."""

    name = "kubernetes"

    def __init__(self) -> None:
        self._folder = Path()
        self._url = ""
        self._audit_log = Path()

    def specs(self, home: Path) -> Sequence[Spec]:
        """etcd, then the API server, then what works through it."""
        self._folder = folder = home / self.name
        folder.mkdir(mode=0o700, parents=True)
        self._audit_log = home / "audit.log"
        self._url = f"https://127.0.0.1:{free_port()}"
        authority = Authority(folder)
        server = authority.server("server", _HOSTS)
        authority.server("kubelet-server", (NODE_ADDRESS, NODE))
        authority.client("kubelet-client", "kube-apiserver-kubelet-client", (_MASTERS,))
        clients = {name: authority.client(name, *who) for name, who in _USERS.items()}
        for name, pair in clients.items():
            config = kubeconfig(self._url, authority.pair.cert, _certificate(pair))
            write_secret(kubeconfig_file(home, name), config)
        token_key(folder)
        etcd = f"http://127.0.0.1:{free_port()}"
        return [
            self._etcd(etcd),
            self._api_server(etcd, server, clients["admin"]),
            self._controller_manager(clients["admin"]),
            self._scheduler(server),
        ]

    def outputs(self) -> Mapping[str, str]:
        """Where the API server is, how the administrator gets in, and what it audits to."""
        return {
            "kubeconfig": str(self._folder / "admin.kubeconfig"),
            "kubernetes_url": self._url,
            "kubernetes_ca": str(self._folder / "ca.crt"),
            "audit_log": str(self._audit_log),
        }

    def _etcd(self, url: str) -> Spec:
        peers = f"http://127.0.0.1:{free_port()}"
        argv = (
            str(tools.find("etcd")),
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",  # nothing here has to survive a crash of the machine
            "--quota-backend-bytes=8589934592",  # ten thousand agents are more than the usual 2 GiB
            "--log-level=warn",
        )
        return Spec(name="etcd", argv=argv, ready=lambda: http_ok(f"{url}/health"))

    def _api_server(self, etcd: str, server: Pair, admin: Pair) -> Spec:
        folder = self._folder
        (folder / "audit-policy.yaml").write_text(_AUDIT_POLICY)
        argv = (
            str(tools.find("kube-apiserver")),
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._url.rpartition(':')[2]}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # endpoints cannot hold a loopback address
            f"--client-ca-file={folder / 'ca.crt'}",
            f"--tls-cert-file={server.cert}",
            f"--tls-private-key-file={server.key}",
            f"--cert-dir={folder / 'certs'}",
            f"--kubelet-certificate-authority={folder / 'ca.crt'}",
            f"--kubelet-client-certificate={folder / 'kubelet-client.crt'}",
            f"--kubelet-client-key={folder / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={folder / 'service-accounts.key'}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--allow-privileged=true",
            f"--audit-policy-file={folder / 'audit-policy.yaml'}",
            f"--audit-log-path={self._audit_log}",
            "--max-requests-inflight=2000",
            "--max-mutating-requests-inflight=1000",
        )
        ca = folder / "ca.crt"
        return Spec(
            name="kube-apiserver",
            argv=argv,
            ready=lambda: http_ok(f"{self._url}/readyz", ca, (admin.cert, admin.key)),
            timeout=120,
        )

    def _controller_manager(self, admin: Pair) -> Spec:
        folder = self._folder
        argv = (
            str(tools.find("kube-controller-manager")),
            f"--kubeconfig={folder / 'controller-manager.kubeconfig'}",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={folder / 'service-accounts.key'}",
            f"--root-ca-file={folder / 'ca.crt'}",
            "--leader-elect=false",
            "--secure-port=0",
            *_CLIENT_LIMITS,
        )
        # Its first visible work, without which no pod can be created.
        first = f"{self._url}/api/v1/namespaces/default/serviceaccounts/default"
        ca = folder / "ca.crt"
        return Spec(
            name="kube-controller-manager",
            argv=argv,
            ready=lambda: http_ok(first, ca, (admin.cert, admin.key)),
        )

    def _scheduler(self, server: Pair) -> Spec:
        port = free_port()
        argv = (
            str(tools.find("kube-scheduler")),
            f"--kubeconfig={self._folder / 'scheduler.kubeconfig'}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={server.cert}",
            f"--tls-private-key-file={server.key}",
            *_CLIENT_LIMITS,
        )
        url, ca = f"https://127.0.0.1:{port}/readyz", self._folder / "ca.crt"
        return Spec(name="kube-scheduler", argv=argv, ready=lambda: http_ok(url, ca))


def kubeconfig_file(home: Path, name: str) -> Path:
    """Where the kubeconfig of one of the sandbox's own users lies."""
    return home / Kubernetes.name / f"{name}.kubeconfig"


def kubeconfig(url: str, ca: Path, user: Mapping[str, str]) -> bytes:
    """A kubeconfig that needs no other file; JSON, which is YAML as well."""
    cluster = {"server": url, "certificate-authority-data": _base64(ca)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": "user", "user": dict(user)}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "user"}}],
        "current-context": "sandbox",
    }
    return json.dumps(config, indent=2).encode()


def kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints; RuntimeError with what it complained of when it fails."""
    command = [str(tools.find("kubectl")), f"--kubeconfig={kubeconfig}", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        shown = " ".join(arguments)
        raise RuntimeError(f"`kubectl {shown}` failed: {done.stderr.strip() or done.stdout}")
    return done.stdout


def _certificate(pair: Pair) -> dict[str, str]:
    return {
        "client-certificate-data": _base64(pair.cert),
        "client-key-data": _base64(pair.key),
    }


def _base64(file: Path) -> str:
    return b64encode(file.read_bytes()).decode()
