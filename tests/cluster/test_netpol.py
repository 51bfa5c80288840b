"""The policy program follows a real API server; its rules go to nft in a namespace of their own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from interlock_sandbox.sandbox import Sandbox
from support.kube import Api, until

Object = dict[str, Any]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="namespaces need root and nftables"
)
SPACE = "netpol-follows"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{SPACE}/networkpolicies"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
# Stands where the program finds nft: the kernel's own, in a network that is not the host's.
NFT = """#!/bin/sh
exec nsenter --net=/proc/{pid}/ns/net {nft} "$@"
"""


class Running:
    """The program, what it says, and the rules that it put into the kernel."""

    def __init__(self, process: "subprocess.Popen[bytes]", home: Path) -> None:
        self.process = process
        self._home = home

    def rules(self) -> str:
        """What is in force."""
        nft = (str(self._home / "bin" / "nft"), "list", "ruleset")
        return subprocess.run(nft, capture_output=True, text=True, check=True).stdout

    def said(self) -> str:
        """Its output."""
        return (self._home / "log").read_text()

    def until(self, text: str, *, there: bool = True) -> None:
        """Waits until the rules have this, or do not have it any more."""
        until(lambda: (text in self.rules()) is there, f"{text} in the rules; {self._home / 'log'}")


@pytest.fixture
def nft(tmp_path: Path) -> Iterator[Path]:
    """A folder for PATH whose nft works in a network namespace of its own."""
    holder = subprocess.Popen(
        ("unshare", "--net", "sh", "-c", "echo; exec cat"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout
        holder.stdout.readline()
        stub = tmp_path / "bin" / "nft"
        stub.parent.mkdir()
        stub.write_text(NFT.format(pid=holder.pid, nft=shutil.which("nft")))
        stub.chmod(0o755)
        yield stub.parent
        holder.kill()


@contextmanager
def running(kubeconfig: Path, nft: Path) -> Iterator[Running]:
    options = ("--kubeconfig", str(kubeconfig), "--pod-cidr", "10.77.0.0/24")
    with (nft.parent / "log").open("ab") as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "interlock_sandbox.netpol", *options),
            env={**os.environ, "PATH": f"{nft}:{os.environ['PATH']}"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process, nft.parent)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def admin(cluster: Sandbox) -> Api:
    api = Api.admin(cluster.kubeconfig)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    assert api.post("/api/v1/namespaces", space).ok
    return api


def start_pod(admin: Api, name: str, ip: str) -> None:
    """A pod that no scheduler takes, with the status that a kubelet would write."""
    container = {"name": "main", "image": "registry.example/none"}
    spec = {"schedulerName": "nobody", "containers": [container]}
    meta = {"name": name, "labels": {"app": name}}
    created = admin.post(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    assert created.ok, created.message
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
    assert admin.patch(f"{PODS}/{name}/status", {"status": status}).ok


def policy(selector: Object, name: str = "closed") -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": selector, "policyTypes": ["Ingress"]},
    }


def test_rules_follow_the_cluster_and_go_with_the_program(
    cluster: Sandbox, admin: Api, nft: Path
) -> None:
    with running(cluster.kubeconfig, nft) as program:
        until(lambda: "ready: " in program.said(), "ready")
        start_pod(admin, "first", "10.77.0.5")
        program.until("10.77.0.5 . 10.77.0.5")
        assert admin.post(POLICIES, policy({"matchLabels": {"app": "first"}})).ok
        program.until("10.77.0.5 : jump ingress-0")
        program.process.kill()
        program.process.wait()
        assert "10.77.0.5 : jump ingress-0" in program.rules()
    with running(cluster.kubeconfig, nft) as program:
        start_pod(admin, "second", "10.77.0.6")
        program.until("10.77.0.6 . 10.77.0.6")
        assert "10.77.0.5 : jump ingress-0" in program.rules()
        assert "10.77.0.6 : jump" not in program.rules()
        assert admin.delete(f"{POLICIES}/closed").ok
        program.until("10.77.0.5 : jump", there=False)
        assert admin.delete(f"{PODS}/first", gracePeriodSeconds="0").ok
        program.until("10.77.0.5", there=False)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(30) == 0, program.said()
        assert program.rules() == ""
