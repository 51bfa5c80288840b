"""Everything that the story needs: sandbox, people, repositories, and Interlock's own processes.

Interlock runs as in a cluster: from its manifests, with its service accounts' own tokens, each
process with the command that its Deployment has.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from interlock_sandbox.demo import policy, profile, show, trivy
from interlock_sandbox.demo.trivy import Trivy
from interlock_sandbox.gitserver import create_repository
from interlock_sandbox.install import install
from interlock_sandbox.process import free_port
from interlock_sandbox.sandbox import Sandbox
from interlock_sandbox.sigstore import identity_token

TEAM = "line-4"
AGENT = "press-scheduler"
FILE = f"agents/{AGENT}.yaml"
BIN = Path(sys.executable).parent
EXAMPLE = Path(__file__).parents[3] / "examples" / AGENT
_ENDING_SECONDS = 20.0


class World:
    """One running story."""

    lease_duration = "5s"
    """How long a controller that was killed keeps the next one waiting."""

    def __init__(self, sandbox: Sandbox, docker: str = "") -> None:
        """`docker` is the address of an engine to scan in; empty: kept reports are signed."""
        self.sandbox = sandbox
        self.docker = docker
        self.trivy: Trivy | None = None
        self.home = sandbox.home / "demo"
        self.home.mkdir()
        self.outputs: Mapping[str, str] = sandbox.outputs
        self.profile = profile.of(sandbox.state.parts)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.repositories = {
            name: create_repository(self.outputs, f"{TEAM}/{name}")
            for name in ("agents", "approvals")
        }
        self.repositories["governance"] = create_repository(self.outputs, "security/governance")
        self.metrics_port = free_port()
        self.config = self.home / "config.yaml"
        self.audit_log = self.home / "audit.jsonl"
        self.record_key = self._record_key()

    def set_up(self) -> None:
        """Install the manifests, push the scanner, sign governance, start Interlock."""
        install(self.sandbox.kubeconfig)
        if self.docker:
            self.trivy = trivy.load(self.outputs["registry"], self.home, self.docker)
        for person in policy.PEOPLE:
            self._person(person)
        self._governance()
        self._configuration()
        self._cluster()
        self.start("verifier")
        self.start("controller")
        self.start("sync")
        self.start("follow")

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

    def status(self) -> dict[str, str]:
        """The agent's status; empty before there is one."""
        found = json.loads(
            self.kubectl("get", "ad", "-n", TEAM, "-o", "json", "--ignore-not-found") or "{}"
        )
        items = found.get("items") or [{}]
        return dict(items[0].get("status") or {})

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

    def push_governance(self, message: str) -> None:
        """Commit and push what security signed."""
        folder = self.home / "governance"
        for arguments in (
            ("git", "add", "-A"),
            ("git", "commit", "-q", "-m", message),
            ("git", "push", "-q", "origin", "HEAD:main"),
        ):
            self.run("security", *arguments, folder=folder, quiet=True)

    def _command(self, name: str) -> tuple[str, ...]:
        interlock = str(BIN / "interlock")
        accounts = {"controller": "interlock-controller", "follow": "interlock-controller"}
        accounts["sync"] = "interlock-syncer"
        base: tuple[str, ...] = (interlock, name, "--config", str(self.config))
        if name == "verifier":
            return base
        kubeconfig = self.sandbox.kubeconfig_for("interlock-system", accounts[name])
        base += ("--kubeconfig", str(kubeconfig))
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

    def _person(self, person: policy.Person) -> None:
        folder = self.home / "people" / person.id
        (folder / ".ssh").mkdir(parents=True, mode=0o700)
        key = folder / ".ssh" / "id_ed25519"
        subprocess.run(
            ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", person.id, "-f", str(key)),
            check=True,
        )
        credentials = self.outputs[f"git_{person.account}_credentials_file"]
        (folder / "gitconfig").write_text(
            f"[user]\n  name = {person.id}\n  email = {person.email}\n  signingkey = {key}.pub\n"
            f"[gpg]\n  format = ssh\n[commit]\n  gpgsign = true\n[init]\n  defaultBranch = main\n"
            f"[credential]\n  helper = store --file {credentials}\n"
            f"[http]\n  sslCAInfo = {self.outputs['git_ca_file']}\n[push]\n  default = current\n"
        )
        if person.kubernetes:
            admin = yaml.safe_load(self.sandbox.kubeconfig.read_text())
            admin["users"][0]["user"]["as"] = person.email
            (folder / "kubeconfig").touch(mode=0o600)
            (folder / "kubeconfig").write_text(yaml.safe_dump(admin))

    def public_key(self, person: str) -> str:
        """A person's public key line."""
        path = self.home / "people" / person / ".ssh" / "id_ed25519.pub"
        return path.read_text().strip()

    def _governance(self) -> None:
        folder = self.home / "governance"
        self.run(
            "security",
            "git",
            "clone",
            "-q",
            self.repositories["governance"],
            str(folder),
            folder=self.home,
            quiet=True,
        )
        targets = folder / "targets"
        targets.mkdir()
        for name, data in policy.targets(self).items():
            (targets / name).write_bytes(data)
        keys = str(self.home / "governance-keys")
        self.run(
            "security", "interlock", "governance", "init", str(folder), "--keys", keys, quiet=True
        )
        self.push_governance("Initial governance")

    def _configuration(self) -> None:
        git = {"caFile": self.outputs["git_ca_file"]}
        config = {
            "cluster": "factory",
            "registries": {
                "default": {
                    "mlflow": self.outputs["mlflow_url"],
                    "usernameFile": self._username_file(),
                    "passwordFile": self.outputs["mlflow_interlock_password_file"],
                }
            },
            "oci": [{"prefix": self.outputs["registry"], "plainHTTP": True}],
            "git": [
                {
                    "prefix": self.outputs["git_url"],
                    "tokenFile": self._git_login("interlock"),
                }
                | git
            ],
            "governance": {
                "url": self.repositories["governance"],
                "rootFile": str(self.home / "governance" / "metadata" / "1.root.json"),
                "interval": "2s",
            },
            "records": {"keyFile": str(self.record_key)},
            "verifier": {"socket": str(self.home / "verifier.sock")},
            "stateDir": str(self.home / "state"),
        }
        self.config.write_text(yaml.safe_dump(config))
        for person in policy.PEOPLE:
            login = {
                "prefix": self.outputs["git_url"],
                "tokenFile": self._git_login(person.account),
            }
            own = {key: config[key] for key in ("cluster", "registries", "oci", "governance")}
            path = self.home / "people" / person.id / "config.yaml"
            path.write_text(yaml.safe_dump(own | {"git": [login | git]}))

    def _git_login(self, account: str) -> str:
        token = Path(self.outputs[f"git_{account}_token_file"]).read_text().strip()
        path = self.home / f"{account}.login"
        path.touch(mode=0o600)
        path.write_text(f"{account}:{token}")
        return str(path)

    def _username_file(self) -> str:
        path = self.home / "mlflow.username"
        path.write_text(self.outputs["mlflow_interlock_username"])
        return str(path)

    def _cluster(self) -> None:
        """The team's namespace, who may ask there, and where its agents come from."""
        objects = policy.cluster_objects(self.repositories["agents"])
        for obj in objects:
            self.kubectl("apply", "-f", "-", stdin=json.dumps(obj))

    def token_file(self, identity: str) -> Path:
        """A fresh identity token of the sandbox's issuer, as a CI job would hold."""
        path = self.home / f"token-{secrets.token_hex(8)}"
        path.touch(mode=0o600)
        path.write_text(identity_token(self.outputs["sigstore_url"], identity))
        return path
