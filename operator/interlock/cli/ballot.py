"""From a file and a person to a vote that is ready to be signed, or a sentence why there is none.

Everything that the gate would hold against the vote later, and that can be known here, is said
before anybody signs.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from interlock.api import digests
from interlock.api.config import Config, longest_prefix
from interlock.api.kinds.base import Duration
from interlock.cli import ground, manifest, pens, served, sshkey, usergit, voter
from interlock.cli.exits import BadInput, Failed, Refused
from interlock.cli.kubectl import Kubectl
from interlock.cli.manifest import AgentFile
from interlock.cli.pens import Pen
from interlock.cli.served import Served
from interlock.cli.statement import Ballot, Decision
from interlock.cli.usergit import Clone
from interlock.cli.votes import Votes, so_far
from interlock.evidence import authors
from interlock.evidence.git import GitUnavailable, Mirror
from interlock.evidence.gitaccess import credentials
from interlock.gates import pins
from interlock.policy import Policy, queries
from interlock.policy.model import Person, SourceGrant
from interlock.policy.strict_text import StrictError, check_string

MAX_REASON = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person typed."""

    decision: Decision
    file: Path
    role: str
    reason: str
    person: str
    environment: str
    key_file: Path | None
    sigstore: Path | None
    token_file: Path | None
    pull: int | None
    serving: str
    namespace: str
    kubeconfig: str
    context: str
    yes: bool
    dry_run: bool
    output: str
    config_file: Path | None
    valid: str = "72h"
    override: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A vote that is ready to be signed, with all that it is about."""

    ballot: Ballot
    agent: AgentFile
    served: Served
    votes: Votes
    clone: Clone
    source: SourceGrant
    access: dict[str, str]
    """Credentials for the approvals repository."""
    policy: Policy
    pen: Pen


def prepare(asked: Asked, config: Config, scratch: Path) -> Order:
    """Return the vote that a person asked for. Raises Refused, BadInput or Failed."""
    _check_words(asked)
    policy = ground.rules(config).policy
    clone, path, agent = _committed(asked, policy)
    tier = voter.tier_of(policy, agent, asked.environment)
    pen = _pen(asked, clone, scratch)
    person = voter.voter_of(policy, pen, asked.person)
    source = _source(clone, policy, agent, path)
    approving = asked.decision == "approve"
    if approving:
        voter.check_strength(tier, agent, pen.strength)
        role = voter.role_of(tier, person, asked.role, _lifting(asked, policy, agent, person))
        _check_pins(agent)
    else:
        role = voter.objecting(tier, person, asked.role)
    kubectl = Kubectl(asked.kubeconfig, asked.context)
    look = served.serving if approving else served.at_best
    now = look(clone, path, agent, asked.serving, kubectl)
    ballot = Ballot(
        content=agent.digest,
        decision=asked.decision,
        cluster=config.cluster,
        repository=source.url,
        ref=source.ref,
        path=path,
        environment=queries.environment(policy, agent.namespace),
        namespace=agent.namespace,
        predecessor=now.digest,
        policy_digest=policy.digest,
        person=person.id,
        role=role,
        reason=asked.reason,
        overrides=asked.override,
    )
    if approving:
        _check_news(ballot)
        _check_hands(clone, policy, person, ballot, now)
    access = credentials(longest_prefix(config.git, source.approvals), source.approvals)
    votes = so_far(clone, policy, source.approvals, agent.digest, access)
    if asked.decision == "revoke":
        _check_approved(votes, ballot)
    return Order(ballot, agent, now, votes, clone, source, access, policy, pen)


def _lifting(asked: Asked, policy: Policy, agent: AgentFile, person: Person) -> list[str]:
    return voter.lifting(policy, agent, person, asked.override) if asked.override else []


def _committed(asked: Asked, policy: Policy) -> tuple[Clone, str, AgentFile]:
    """Return the clone, the file's path in it, and the agent as the commit that is meant has it."""
    file = asked.file
    if asked.pull is None and not file.exists():
        raise BadInput(f"there is no file {file}")
    clone = Clone.around(file)
    if clone is None:
        raise Refused(f"{file} lies in no git repository. Approve in a clone of the team's.")
    if asked.pull is not None:
        clone = clone.pull(asked.pull, policy)
    path = clone.relative(file)
    return clone, path, manifest.parse(file, clone.committed(path), asked.namespace)


def _pen(asked: Asked, clone: Clone, scratch: Path) -> Pen:
    if asked.sigstore is None:
        if asked.token_file:
            raise BadInput("--identity-token-file goes with --sigstore; give both or neither")
        return pens.ssh(sshkey.find(asked.key_file, clone.setting("user.signingKey"), scratch))
    if asked.key_file:
        raise BadInput("--key and --sigstore are two ways to sign; give one")
    return pens.sigstore(asked.sigstore, asked.token_file)


def _source(clone: Clone, policy: Policy, agent: AgentFile, path: str) -> SourceGrant:
    source = usergit.source(clone, policy, agent.namespace, path)
    if source is None:
        remotes = ", ".join(clone.remotes()) or "none"
        raise Refused(
            f"governance lets no remote of this clone deliver {path} to {agent.namespace} "
            f"(remotes: {remotes}). Use a clone of the team's repository."
        )
    return source


def _check_words(asked: Asked) -> None:
    """Refuse what the verifier would not read, before anybody touches a security key for it."""
    try:
        TypeAdapter(Duration).validate_python(asked.valid)
    except ValidationError:
        raise BadInput(f"--valid {asked.valid!r}: expected a duration such as 30m or 72h") from None
    try:
        check_string(asked.reason, "--reason")
    except StrictError as error:
        raise BadInput(str(error)) from None
    if len(asked.reason) > MAX_REASON:
        raise BadInput(f"--reason has {len(asked.reason)} characters, at most {MAX_REASON}")


def _check_pins(agent: AgentFile) -> None:
    if open_ := pins.unpinned(agent.dumped):
        raise Refused(
            f"{agent.path} names without a digest: {', '.join(open_)}. What would run could change "
            "after you approved it; run `interlock pin` on the file and commit it."
        )


def _check_news(ballot: Ballot) -> None:
    if ballot.content == ballot.predecessor:
        short = digests.short(ballot.content)
        raise Refused(f"there is nothing to approve: {short} is what serves already.")


def _check_approved(votes: Votes, ballot: Ballot) -> None:
    if not votes.approved_by(ballot.person):
        short = digests.short(ballot.content)
        raise Refused(
            f"there is nothing to take back: {ballot.person} has not approved {short}. "
            "`interlock reject` says no to it."
        )


def _check_hands(clone: Clone, policy: Policy, person: Person, ballot: Ballot, now: Served) -> None:
    """Refuse who wrote the change, as far as this clone's history leads back to what serves."""
    if now.since is None:
        return
    where = (ballot.repository, ballot.ref, ballot.path, clone.head, now.since)
    try:
        found = asyncio.run(authors.change(Mirror(clone.git_dir), *where))
    except GitUnavailable as error:
        raise Failed(f"whose hands were on the change cannot be read: {error}") from None
    if found.complete:
        voter.check_hands(policy, person, ballot.role, found.people)
