"""Argo Rollouts, the peer that the benchmarks run beside Interlock: same cluster, same pods.

It is installed as its own module ships it (CRDs and cluster role), and runs with an account of
that role. Nothing of Interlock needs it.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox import golang, tools
from interlock_sandbox.golang import TOOLCHAIN, ToolError
from interlock_sandbox.kubernetes import kubeconfig, kubeconfig_file, kubectl
from interlock_sandbox.pki import write_secret
from interlock_sandbox.process import Spec, free_port, http_ok

MODULE = "github.com/argoproj/argo-rollouts"
NAMESPACE = ACCOUNT = "argo-rollouts"
LIMITS = ("--qps=1000", "--burst=2000", "--rollout-threads=32", "--service-threads=32")
"""Its defaults (40 and 80 requests a second, 10 threads each) would be what is measured."""


class ArgoRollouts:
    """The controller; comes after the API server."""

    name = "argo-rollouts"

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program, with kinds, role and account applied first."""
        admin = kubeconfig_file(home, "admin")
        manifests = source() / "manifests"
        kubectl(admin, "create", "namespace", NAMESPACE)
        for folder in ("crds", "role"):
            kubectl(admin, "apply", "--server-side", "-k", str(manifests / folder))
        kubectl(admin, "create", "serviceaccount", ACCOUNT, f"--namespace={NAMESPACE}")
        bound = (f"--clusterrole={ACCOUNT}", f"--serviceaccount={NAMESPACE}:{ACCOUNT}")
        kubectl(admin, "create", "clusterrolebinding", ACCOUNT, *bound)
        health, metrics = free_port(), free_port()
        argv = (
            str(tools.find("rollouts-controller")),
            f"--kubeconfig={_credentials(home, admin)}",
            "--leader-elect=false",
            f"--healthzPort={health}",
            f"--metricsPort={metrics}",
            "--loglevel=warn",
            *LIMITS,
        )
        ready = f"http://127.0.0.1:{health}/healthz"
        return [Spec(name=self.name, argv=argv, ready=lambda: http_ok(ready))]

    def outputs(self) -> Mapping[str, str]:
        """Nothing: it is reached through its kinds."""
        return {}


def source() -> Path:
    """The folder of the pinned module's files; fetched where only its program is in the cache."""
    command = [str(golang.find().program), "mod", "download", "-json", MODULE]
    folder = TOOLCHAIN / ArgoRollouts.name
    env = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"`{' '.join(command)}` in {folder} failed: {done.stderr or done.stdout}")
    return Path(json.loads(done.stdout)["Dir"])


def _credentials(home: Path, admin: Path) -> Path:
    cluster = json.loads(admin.read_text())["clusters"][0]["cluster"]
    asked = ("create", "token", ACCOUNT, f"--namespace={NAMESPACE}", "--duration=24h")
    token = kubectl(admin, *asked).strip()
    file = kubeconfig_file(home, ArgoRollouts.name)
    ca = home / "kubernetes" / "ca.crt"
    write_secret(file, kubeconfig(cluster["server"], ca, {"token": token}))
    return file
