"""`pause` and `resume`: they patch `spec.paused`, by the user's own rights.

The spec belongs to git, so they also say whether git will put the field back, and what to change
there. Who may patch and not edit is held to this one field by the policy interlock-spec.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from interlock.api import names
from interlock.cli import reader
from interlock.cli.kubectl import Kubectl, Object, collection
from interlock.cli.options import AGENT, REASON, Printer, cluster, example, named
from interlock.cli.tables import printable

_OTHERS = {
    "labels": {
        "argocd.argoproj.io/instance": "Argo CD",
        "kustomize.toolkit.fluxcd.io/name": "Flux",
        "helm.toolkit.fluxcd.io/name": "Flux",
    },
    "annotations": {"argocd.argoproj.io/tracking-id": "Argo CD"},
}
"""Marks that tools of others leave on what they deliver."""


@click.command(
    epilog=example('kubectl interlock pause press-scheduler -n line-4 --reason "shift change"')
)
@AGENT
@REASON
@cluster
def pause(name: str, reason: str, kubectl: Kubectl, out: Printer) -> None:
    """Stop promotions of an agent. What serves goes on, and rollback works all the same."""
    annotations = {names.ANNOTATION_PAUSED: reason[:512]}
    _patch(kubectl, name, {"metadata": {"annotations": annotations}}, out, paused=True)


@click.command(epilog=example("kubectl interlock resume press-scheduler -n line-4"))
@AGENT
@cluster
def resume(name: str, kubectl: Kubectl, out: Printer) -> None:
    """Let promotions of an agent go on, once its gates pass."""
    annotations = {names.ANNOTATION_PAUSED: None}
    _patch(kubectl, name, {"metadata": {"annotations": annotations}}, out, paused=False)


def _patch(kubectl: Kubectl, name: str, body: Object, out: Printer, *, paused: bool) -> None:
    before = reader.deployment(kubectl, name)
    after = kubectl.patch("agentdeployments", name, body | {"spec": {"paused": paused}})
    if after is None:
        raise reader.no_agent(kubectl, name)
    source = _repository(kubectl, before)
    for line in put_back(before, source, paused=paused):
        click.echo(line, err=True)
    done = "is paused: no promotion" if paused else "is not paused"
    out(after, [f"{name} {done}"], named("AgentDeployment", name))


def put_back(agent: Object, repository: Object | None, *, paused: bool) -> Iterator[str]:
    """Yield what a tool that delivers this agent from git will make of the change."""
    word = str(paused).lower()
    meta = agent["metadata"]
    label = (meta.get("labels") or {}).get(names.LABEL_SYNCED_BY)
    if label is None:
        for tool in dict.fromkeys(_delivered(meta)):
            yield f"{tool} delivers it and may put the field back; say spec.paused: {word} in git."
        return
    where = f"AgentRepository {printable(label)}{_place(repository)}"
    if not _said_by_git(meta):
        yield f"Its file in git ({where}) says nothing of spec.paused, so git leaves this as it is."
        return
    if (agent.get("spec") or {}).get("paused", False) == paused:
        return
    interval = ((repository or {}).get("spec") or {}).get("interval", "60s")
    yield (
        f"Its file in git says spec.paused: {str(not paused).lower()}, and the syncer puts that"
        f" back within {interval}. To keep it, write spec.paused: {word} there and push ({where})."
    )


def _said_by_git(meta: Mapping[str, Any]) -> bool:
    """Whether the syncer's last apply named the field."""
    return any(
        entry.get("manager") == names.SYNC_FIELD_MANAGER
        and "f:paused" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        for entry in meta.get("managedFields") or []
    )


def _delivered(meta: Mapping[str, Any]) -> Iterator[str]:
    for place, marks in _OTHERS.items():
        yield from (tool for mark, tool in marks.items() if mark in (meta.get(place) or {}))


def _repository(kubectl: Kubectl, agent: Object) -> Object | None:
    label = (agent["metadata"].get("labels") or {}).get(names.LABEL_SYNCED_BY)
    path = f"{collection('agentrepositories', kubectl.namespace)}/{label}"
    return reader.readable(kubectl, path, label)


def _place(repository: Object | None) -> str:
    spec = (repository or {}).get("spec") or {}
    if not spec:
        return ""
    folder = f", folder {printable(spec['path'])}" if spec.get("path") else ""
    return f": {printable(spec.get('url', ''))}{folder}"
