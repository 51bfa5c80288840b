"""Interlock's own processes, as in a cluster, and what people type beside them.

They run from its manifests, with its service accounts' own tokens, each with the command that its
Deployment has.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from interlock_sandbox.demo import show
from interlock_sandbox.process import free_port
from interlock_sandbox.sandbox import Sandbox

BIN = Path(sys.executable).parent
_ENDING_SECONDS = 20.0


class Interlock:
    """Interlock over one sandbox: its processes, its record key, and where its files lie."""

    lease_duration = "5s"
    """How long a controller that was killed keeps the next one waiting."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.home = sandbox.home / "demo"
        self.home.mkdir()
        self.outputs: Mapping[str, str] = sandbox.outputs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.repositories: dict[str, str] = {}
        """The URLs of `agents`, `approvals` and `governance`."""
        self.metrics_port = free_port()
        self.config = self.home / "config.yaml"
        self.audit_log = self.home / "audit.jsonl"
        self.bridge_config = self.home / "bridge.yaml"
        self.record_key = self._record_key()

    def run(
        self,
        who: str,
        *arguments: str,
        folder: Path | None = None,
        codes: Sequence[int] = (0,),
        quiet: bool = False,
    ) -> str:
        """Run a command as a person and print it; return its answer, without its progress.

        Raises Unheld for an exit code not in `codes`.
        """
        program = str(BIN / arguments[0]) if (BIN / arguments[0]).exists() else arguments[0]
        done = subprocess.run(
            (program, *arguments[1:]),
            cwd=folder or self.clone(who),
            env=self.environment(who),
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        if not quiet:
            show.command(who, arguments, output)
        show.hold(done.returncode in codes, f"exit {codes} of {arguments[0]}", output[-2000:])
        return done.stdout

    def clone(self, who: str) -> Path:
        """A person's clone of the team's repository, or the home of those without one."""
        folder = self.home / "people" / who / "agents"
        return folder if folder.exists() else self.home

    def environment(self, who: str) -> dict[str, str]:
        """A person's shell: own git configuration, own key, own kubeconfig."""
        person = self.home / "people" / who
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        kubeconfig, own = person / "kubeconfig", person / "config.yaml"
        return keep | {
            "PATH": f"{BIN}:{keep.get('PATH', '')}",
            "HOME": str(person),
            "GIT_CONFIG_GLOBAL": str(person / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "KUBECONFIG": str(kubeconfig if kubeconfig.exists() else self.sandbox.kubeconfig),
            "INTERLOCK_CONFIG": str(own if own.exists() else self.config),
            "GIT_PYTHON_REFRESH": "quiet",
        }

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl as administrator, unprinted."""
        return self.sandbox.kubectl(*arguments, stdin=stdin)

    def start(self, name: str) -> None:
        """Start one of Interlock's processes with its own account's token."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self._command(name),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.environment("interlock"),
                cwd=self.home,
            )

    def kill(self, name: str) -> None:
        """SIGKILL one of them."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self) -> None:
        """End all of them, politely first."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + _ENDING_SECONDS
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def tails(self) -> str:
        """The ends of all logs, for a step that did not hold."""
        ends = []
        for log in sorted(self.home.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-15:]
            ends.append("\n".join([f"--- {log.name}", *lines]))
        ends.append("--- pods\n" + self.kubectl("get", "pods", "-A", "-o", "wide"))
        return "\n".join(ends)

    def _command(self, name: str) -> tuple[str, ...]:
        interlock = str(BIN / "interlock")
        accounts = {"controller": "interlock-controller", "follow": "interlock-controller"}
        accounts |= {"sync": "interlock-syncer", "forge-bridge": "interlock-forge-bridge"}
        config = self.bridge_config if name == "forge-bridge" else self.config
        base: tuple[str, ...] = (interlock, name, "--config", str(config))
        if name == "verifier":
            return base
        kubeconfig = self.sandbox.kubeconfig_for("interlock-system", accounts[name])
        base += ("--kubeconfig", str(kubeconfig))
        if name == "forge-bridge":
            return (*base, "--listen", f"127.0.0.1:{free_port()}")
        if name == "controller":
            listen = f"127.0.0.1:{self.metrics_port}"
            return (*base, "--listen", listen, "--lease-duration", self.lease_duration)
        return (*base, "--log", str(self.audit_log)) if name == "follow" else base

    def _record_key(self) -> Path:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.home / "record.pub.pem").write_bytes(public)
        path = self.home / "record.pem"
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path
