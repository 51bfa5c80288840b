"""What a vote is cast against: what serves now, by the cluster's records or by what a person says.

An approval without it would be none, for it names its predecessor. To say no must always be
possible, so that a cluster that cannot be read stops no rejection.
"""

from typing import Any, NamedTuple

from interlock.api import names
from interlock.cli import ground, manifest
from interlock.cli.exits import BadInput
from interlock.cli.kubectl import Kubectl
from interlock.cli.manifest import AgentFile
from interlock.cli.usergit import Clone
from interlock.cluster.cache import Key
from interlock.decide import view


class Served(NamedTuple):
    """What serves, as far as it is known."""

    digest: str
    """Empty where nothing serves."""
    spec: dict[str, Any] | None
    """None where nothing serves, or its content is not known here."""
    since: str | None
    """The commit that brought it, or what it rests on that people approved; empty where nothing
    serves, None where nobody knows."""
    unread: str = ""
    """Why it could not be read; empty where it was."""


def serving(clone: Clone, path: str, agent: AgentFile, said: str, kubectl: Kubectl) -> Served:
    """Return what serves: as `said`, where that is given, else by the cluster's records."""
    return _told(clone, path, agent, said) if said else _asked(kubectl, agent)


def at_best(clone: Clone, path: str, agent: AgentFile, said: str, kubectl: Kubectl) -> Served:
    """Return what serves, or that nobody could be asked."""
    try:
        return serving(clone, path, agent, said, kubectl)
    except BadInput as error:
        return Served("", None, None, error.message)


def _asked(kubectl: Kubectl, agent: AgentFile) -> Served:
    from interlock.actions.facts import since_commit  # noqa: PLC0415 - 0.5 s, for a cluster only

    key = Key(agent.namespace, agent.name)
    cache, seen = ground.running(kubectl, key)
    # What serves; or where this very content serves and waits for its approvals, what it replaced.
    replaced = next(iter(view.predecessors(seen, agent.digest)), names.NO_REVISION)
    digest = "" if replaced == names.NO_REVISION else replaced
    known = next((one for one in seen.revisions.values() if one.digest == digest), None)
    since = since_commit(cache, key, seen) or (None if digest else "")
    return Served(digest, known.spec.dump() if known else None, since)


def _told(clone: Clone, path: str, agent: AgentFile, text: str) -> Served:
    """Return what serves as a person says it; its content is found in the file's history."""
    digest = ground.serving(text)
    for commit, data in clone.versions(path) if digest else ():
        try:
            old = manifest.parse(agent.path, data, agent.namespace)
        except BadInput:
            continue
        if old.digest == digest:
            return Served(digest, old.dumped, commit)
    return Served(digest, None, None if digest else "")
