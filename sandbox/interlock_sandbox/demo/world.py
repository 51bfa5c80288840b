"""Everything that the story needs: people with accounts and keys, repositories, governance."""

import json
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from interlock_sandbox.demo import policy, profile, trivy
from interlock_sandbox.demo.forge import Forge
from interlock_sandbox.demo.processes import Interlock
from interlock_sandbox.demo.trivy import Trivy
from interlock_sandbox.install import MANIFESTS, install
from interlock_sandbox.sandbox import Sandbox
from interlock_sandbox.sigstore import identity_token

TEAM = "line-4"
AGENT = "press-scheduler"
FILE = f"agents/{AGENT}.yaml"
EXAMPLE = Path(__file__).parents[3] / "examples" / AGENT


class World(Interlock):
    """One running story."""

    def __init__(self, sandbox: Sandbox, docker: str = "") -> None:
        """`docker` is the address of an engine to scan in; empty: kept reports are signed."""
        super().__init__(sandbox)
        self.docker = docker
        self.trivy: Trivy | None = None
        self.profile = profile.of(sandbox.state.parts)
        self.forge = Forge(self.outputs, self.home / "forge")

    def set_up(self) -> None:
        """Install the manifests, push the scanner, sign governance, start Interlock."""
        install(self.sandbox.kubeconfig)
        self.kubectl("apply", "-f", str(MANIFESTS / "rbac-forge-bridge.yaml"))
        if self.docker:
            self.trivy = trivy.load(self.outputs["registry"], self.home, self.docker)
        for person in policy.PEOPLE:
            self.forge.join(person.id)
            self._person(person)
        self._repositories()
        self._governance()
        self._configuration()
        self._cluster()
        self.start("verifier")
        self.start("controller")
        self.start("sync")
        self.start("follow")
        self.start("forge-bridge")

    def status(self) -> dict[str, str]:
        """The agent's status; empty before there is one."""
        found = json.loads(
            self.kubectl("get", "ad", "-n", TEAM, "-o", "json", "--ignore-not-found") or "{}"
        )
        items = found.get("items") or [{}]
        return dict(items[0].get("status") or {})

    def push_governance(self, message: str) -> None:
        """Commit and push what security signed."""
        folder = self.home / "governance"
        for arguments in (
            ("git", "add", "-A"),
            ("git", "commit", "-q", "-m", message),
            ("git", "push", "-q", "origin", "HEAD:main"),
        ):
            self.run("security", *arguments, folder=folder, quiet=True)

    def _person(self, person: policy.Person) -> None:
        folder, key = self.home / "people" / person.id, self.key_file(person.id)
        key.parent.mkdir(parents=True, mode=0o700)
        subprocess.run(
            ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", person.id, "-f", str(key)),
            check=True,
        )
        credentials = self.forge.credentials_file(person.id)
        (folder / "gitconfig").write_text(
            f"[user]\n  name = {person.id}\n  email = {person.email}\n  signingkey = {key}.pub\n"
            f"[gpg]\n  format = ssh\n[commit]\n  gpgsign = true\n[init]\n  defaultBranch = main\n"
            f"[credential]\n  helper = store --file {credentials}\n"
            f"[http]\n  sslCAInfo = {self.forge.ca_file}\n[push]\n  default = current\n"
        )
        if person.kubernetes:
            admin = yaml.safe_load(self.sandbox.kubeconfig.read_text())
            admin["users"][0]["user"]["as"] = person.email
            (folder / "kubeconfig").touch(mode=0o600)
            (folder / "kubeconfig").write_text(yaml.safe_dump(admin))

    def public_key(self, person: str) -> str:
        """A person's public key line."""
        return self.key_file(person).with_suffix(".pub").read_text().strip()

    def key_file(self, person: str) -> Path:
        """Where a person's private key is."""
        return self.home / "people" / person / ".ssh" / "id_ed25519"

    def _repositories(self) -> None:
        """Who proposes and who approves may write, and an approval lies where approvers may."""
        everybody = tuple(person.id for person in policy.PEOPLE)
        writers = {
            f"{TEAM}/agents": ("team", *policy.APPROVERS, "bridge"),
            f"{TEAM}/approvals": (*policy.APPROVERS, "bridge"),
            "factory/governance": ("security",),
        }
        for name, write in writers.items():
            read = tuple(person for person in everybody if person not in write)
            self.repositories[name.partition("/")[2]] = self.forge.create(
                name, write=write, read=read
            )

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
        git = {"prefix": self.forge.url, "caFile": self.forge.ca_file}
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
            "git": [git | {"tokenFile": str(self.forge.login_file("interlock"))}],
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
        self.bridge_config.write_text(yaml.safe_dump(config | self._bridge(git)))
        for person in policy.PEOPLE:
            login = {"tokenFile": str(self.forge.login_file(person.id))}
            own = {key: config[key] for key in ("cluster", "registries", "oci", "governance")}
            path = self.home / "people" / person.id / "config.yaml"
            path.write_text(yaml.safe_dump(own | {"git": [git | login]}))

    def _bridge(self, git: Mapping[str, str]) -> dict[str, Any]:
        """What is the bridge's own: its key, its account, where it keeps what it read."""
        login = str(self.forge.login_file("bridge"))
        forge = {
            "url": self.forge.url,
            "kind": "gitea",
            "tokenFile": str(self.forge.token_file("bridge")),
            "caFile": self.forge.ca_file,
            "interval": "3s",
        }
        return {
            "forgeBridge": {"keyFile": str(self.key_file("bridge")), "forges": [forge]},
            "git": [dict(git) | {"tokenFile": login}],
            "stateDir": str(self.home / "bridge-state"),
        }

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
