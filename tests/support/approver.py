"""A team's clone, an approvals repository, and people with keys: what `interlock approve` needs."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import yaml

from interlock.api.facts import Approval, Denied
from interlock.api.values import GateResult
from interlock.cli import exits, ground
from interlock.cli.approve import approve
from interlock.evidence import approvals
from interlock.gates import change_approval
from interlock.policy import Policy
from support import facts, gitrepos, policies
from support.sshkeys import write_private_key


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
        metadata = {"name": facts.NAME, "namespace": policies.NAMESPACE}
        document = {"apiVersion": "interlock.dev/v1alpha1", "kind": "AgentDeployment"}
        whole = document | {"metadata": metadata, "spec": spec}
        self.file.write_text(yaml.safe_dump(whole, sort_keys=False))

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
        common = ["--serving", "none", "--yes", "--key", str(self.key(person))]
        config = ["--config", str(self.home / "config.yaml")]
        return exits.main(approve, "interlock approve", [str(self.file), *common, *config, *args])

    async def read(self, content: str = facts.CONTENT) -> tuple[list[Approval], list[Denied]]:
        """What the verifier reads."""
        mirror = gitrepos.mirror(self.home / "mirror.git")
        ref = approvals.ref_of(content)
        await mirror.fetch(self.repo.url, {ref: ref})
        return await approvals.read(mirror, content)

    def judge(self, approved: list[Approval]) -> GateResult:
        """What the gate says of them."""
        now = datetime.now(UTC).isoformat()
        return change_approval.evaluate(facts.good_facts(approvals=approved, now=now), self.policy)


def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A clone with the good agent committed, an empty approvals repository, a configuration."""
    repo = gitrepos.Repo(home / "approvals.git")
    documents = policies.documents()
    space = documents["namespaces"]["namespaces"][policies.NAMESPACE]
    space["repositories"][0]["approvals"] = repo.url
    policy = policies.good_policy(namespaces=documents["namespaces"])
    monkeypatch.setattr(ground, "rules", lambda config: ground.Rules(policy, {}))
    monkeypatch.setenv("HOME", str(home))
    (home / "config.yaml").write_text(json.dumps({"cluster": "factory"}))
    made = Desk(home, repo, policy)
    made.clone.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("remote", "add", "origin", "git@git.example:line-4/agents.git")
    made.commit(facts.spec())
    return made
