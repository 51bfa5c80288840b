"""`propose`: opens the change, with every digest in it, for people to approve."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from interlock.api.digests import short
from interlock.cli import ground, manifest, settings
from interlock.cli.difference import Change
from interlock.cli.manifest import AgentFile
from interlock.cli.tables import printable
from interlock.policy import queries
from interlock_pipelines import proposal
from interlock_pipelines.clone import Clone, Pushed
from interlock_pipelines.commands import answer, options
from interlock_pipelines.proposal import Published


@dataclass(frozen=True, slots=True)
class _Change:
    """All that is known before anything is written."""

    clone: Clone
    agent: AgentFile
    path: str
    base: str
    branch: str
    message: str
    files: Mapping[str, bytes]
    new: bool
    """Whether anything in the files differs from the base."""
    changed: list[Change]
    """What differs in the content that people approve."""
    approvals: list[str] | None
    """Roles, one entry a person; None where governance was not asked."""


@click.command(epilog=options.EXIT)
@click.argument("file", type=options.FILE)
@click.option(
    "--published", type=options.FILE, help="What `interlock-pipeline publish -o json` printed."
)
@click.option("--image", default="", help="The image, registry/repository[:tag]@sha256:…")
@click.option(
    "--also",
    multiple=True,
    type=options.FILE,
    help="A file that belongs to the change, such as a ConfigMap. May be given several times.",
)
@click.option("-n", "--namespace", default="", help="Where the file does not say its namespace.")
@click.option("--base", default="HEAD", show_default=True, help="What the change is made on.")
@click.option("--branch", help="Default: interlock/<agent>-<digest of its content>.")
@click.option("--remote", default="origin", show_default=True, help="Where the branch is pushed.")
@click.option("--message", help="Of the commit. Default: what changes, in a few words.")
@settings.option
@options.dry_run
@options.output
def propose(**given: Any) -> None:
    """Write what was published into FILE, commit it on a branch of its own, and push it.

    Your working copy and the branch you are on stay as they are; FILE is taken as it lies there.
    Started again, it pushes the same branch. Prints whose approvals the change needs.
    """
    with answer.sentences():
        change = _prepared(given)
        pushed = None
        if change.new and not given["dry_run"]:
            commit = change.clone.commit(change.base, change.files, change.branch, change.message)
            pushed = change.clone.push(given["remote"], change.branch, commit)
        if given["output"] == "json":
            answer.print_json(_as_json(change, pushed))
        else:
            click.echo("\n".join(_as_text(change, pushed, dry=given["dry_run"])))


def _prepared(given: Mapping[str, Any]) -> _Change:
    file: Path = given["file"]
    clone = Clone.around(file)
    path, base = clone.path(file), clone.commit_of(given["base"])
    agent = proposal.renewed(manifest.read(file, given["namespace"]), _published(given))
    before = clone.file(base, path)
    old = None if before is None else manifest.parse(file, before, agent.namespace)
    files = {path: agent.data} | {clone.path(one): one.read_bytes() for one in given["also"]}
    return _Change(
        clone=clone,
        agent=agent,
        path=path,
        base=base,
        branch=given["branch"] or f"interlock/{agent.name}-{short(agent.digest)}",
        message=given["message"] or f"Propose {agent.namespace}/{agent.name} {short(agent.digest)}",
        files=files,
        new=any(clone.file(base, name) != data for name, data in files.items()),
        changed=proposal.difference(old, agent),
        approvals=_approvals(agent, given["config_file"]),
    )


def _published(given: Mapping[str, Any]) -> Published:
    file: Path | None = given["published"]
    found = proposal.read_published(file) if file else Published()
    return replace(found, image=given["image"] or found.image)


def _approvals(agent: AgentFile, config: Path | None) -> list[str] | None:
    """Return the roles that must approve, where a configuration says where governance is."""
    if config is None:
        return None
    policy = ground.rules(settings.load(config)).policy
    asked = queries.tier_policy(policy, agent.namespace, agent.spec.risk_tier)
    return [slot.role for slot in asked.quorum for _ in range(slot.count)] if asked else []


def _as_json(change: _Change, pushed: Pushed | None) -> dict[str, object]:
    return {
        "content": change.agent.digest,
        "path": change.path,
        "branch": change.branch,
        "commit": pushed.commit if pushed else "",
        "remote": pushed.remote if pushed else "",
        "changed": [{"field": c.field, "old": c.old, "new": c.new} for c in change.changed],
        "approvals": change.approvals,
    }


def _as_text(change: _Change, pushed: Pushed | None, *, dry: bool) -> list[str]:
    name = f"{change.agent.namespace}/{change.agent.name}"
    if not change.new:
        return [f"{name}: {change.path} says that already; there is nothing to propose."]
    listed = [f"  {c.field}  {c.old or '(none)'} → {c.new or '(none)'}" for c in change.changed]
    said = f"Would propose {name}" if dry else f"Proposed {name}"
    where = f"on branch {change.branch}" + (f" of {pushed.remote}" if pushed else "")
    lines = [f"{said} {short(change.agent.digest)} {where}:", *map(printable, listed)]
    if pushed and pushed.said:
        lines += ["", pushed.said]
    return [*lines, "", *_needed(change)]


def _needed(change: _Change) -> list[str]:
    if change.approvals is None:
        return [
            "Who must approve is in governance: give --config, or ask `interlock check` "
            f"{change.path}."
        ]
    if not change.approvals:
        return ["No approval is needed; the gates judge it when it is merged."]
    return [
        f"Approvals needed, by distinct persons: {', '.join(change.approvals)}. Each of them:",
        f"  git fetch && git switch {change.branch} && interlock approve {change.path}",
    ]
