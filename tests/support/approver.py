"""A team's clone, an approvals repository, and people with keys: what `interlock approve` needs."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import yaml

from interlock.api.facts import Approval, Denied
from interlock.api.values import GateResult
from interlock.cli import approve, exits, ground
from interlock.evidence import approvals
from interlock.gates import change_approval
from interlock.policy import Policy
from support import facts, gitrepos, policies
from support.signed import proofs
from support.sshkeys import write_private_key


def manifest(spec: dict[str, Any]) -> bytes:
    """The agent's file."""
    metadata = {"name": facts.NAME, "namespace": policies.NAMESPACE}
    document = {"apiVersion": "interlock.dev/v1alpha1", "kind": "AgentDeployment"}
    return yaml.safe_dump(document | {"metadata": metadata, "spec": spec}, sort_keys=False).encode()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an approver sits."""

    home: Path
    repo: gitrepos.Repo
    """The approvals repository."""
    policy: Policy

    @property
    def clone(self) -> Path:
        """The team's working copy."""
        return self.home / "agents"

    @property
    def file(self) -> Path:
        """The agent's file in it."""
        return self.clone / facts.PATH

    def key(self, person: str) -> Path:
        """A person's private key, without its public half beside it."""
        return write_private_key(person, self.home / f"key-{person}")

    def write(self, spec: dict[str, Any]) -> None:
        """Write the agent's file."""
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_bytes(manifest(spec))

    def commit(self, spec: dict[str, Any]) -> None:
        """Write and commit the agent's file."""
        self.write(spec)
        self.git("add", "--all")
        who = ("-c", "user.name=d", "-c", f"user.email={policies.email('developer-1')}")
        self.git(*who, "commit", "--quiet", "-m", "change")

    def git(self, *args: str) -> None:
        """Run git in the working copy."""
        run(["git", "-C", str(self.clone), *args], check=True, capture_output=True)

    def approve(self, person: str, *args: str) -> int:
        """Run `interlock approve` as a person; its exit code. Nothing serves, nobody is asked."""
        return self.say("approve", person, *args)

    def say(self, command: str, person: str, *args: str) -> int:
        """Run `interlock approve`, `reject` or `revoke` as a person with a key of theirs."""
        return self.run(command, "--serving", "none", "--key", str(self.key(person)), *args)

    def run(self, command: str, *args: str, yes: bool = True) -> int:
        """Run one of the three on the agent's file; nobody is asked where `yes` is given."""
        words = [str(self.file), "--config", str(self.home / "config.yaml"), *args]
        words += ["--yes"] if yes else []
        ran = partial(exits.main, getattr(approve, command), f"interlock {command}", words)
        with ThreadPoolExecutor(1) as apart:  # it runs an event loop, as some tests do
            return apart.submit(ran).result()

    async def read(self, content: str = facts.CONTENT) -> tuple[list[Approval], list[Denied]]:
        """What the verifier reads."""
        mirror = gitrepos.mirror(self.home / "mirror.git")
        ref = approvals.ref_of(content)
        await mirror.fetch(self.repo.url, {ref: ref})
        return await approvals.read(mirror, content, proofs())

    def judge(self, approved: list[Approval]) -> GateResult:
        """What the gate says of them."""
        now = datetime.now(UTC).isoformat()
        return change_approval.evaluate(facts.good_facts(approvals=approved, now=now), self.policy)


def desk(home: Path, monkeypatch: pytest.MonkeyPatch, **targets: Any) -> Desk:
    """A clone with the good agent committed, an empty approvals repository, a configuration.

    `targets` replace documents of the good policy.
    """
    repo = gitrepos.Repo(home / "approvals.git")
    documents = policies.documents() | targets
    space = documents["namespaces"]["namespaces"][policies.NAMESPACE]
    space["repositories"][0]["approvals"] = repo.url
    policy = policies.good_policy(**documents)
    monkeypatch.setattr(ground, "rules", lambda config: ground.Rules(policy, {}))
    monkeypatch.setenv("HOME", str(home))
    (home / "config.yaml").write_text(json.dumps({"cluster": "factory"}))
    made = Desk(home, repo, policy)
    made.clone.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("remote", "add", "origin", "git@git.example:line-4/agents.git")
    made.commit(facts.spec())
    return made
