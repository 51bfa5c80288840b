"""What one job has to have, and no more: the sources of one agent, and what policy says of it.

A job that bytes take over has whatever it was given. So the verifier decides before, from the spec
and the policy alone, which credentials those are; a job never sees the whole configuration.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from interlock.api import digests
from interlock.api.config import Config, Git, Oci, Registry, longest_prefix
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.evidence.oci import Reference
from interlock.evidence.wire import FindingsRequest
from interlock.policy import Policy
from interlock.policy.model import Namespaces, People

Entry = TypeVar("Entry", Git, Oci)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job is given."""

    content: str = ""
    """The digest of what it is about: what it leaves is for jobs about the same alone."""
    config: Config = field(default_factory=Config)
    policy: str = ""
    """The policy as JSON, as far as it concerns this agent."""


def of_findings(config: Config, request: FindingsRequest, policy: Policy) -> Needs:
    """Return what a job for one agent is given. Raises ValidationError where the spec is none."""
    spec = AgentDeploymentSpec.model_validate(request.spec)
    part = _part(policy, request.namespace)
    urls = [
        url
        for granted in part.namespaces.namespaces.values()
        for source in granted.repositories
        for url in (source.url, source.approvals)
    ]
    sources = Config(
        registries=_registries(config.registries, spec),
        oci=_fitting(config.oci, _repositories(spec)),
        git=_fitting(config.git, urls),
        model_delivery=config.model_delivery,
        model_copier=config.model_copier,
    )
    content = digests.content(request.namespace, request.name, request.spec)
    return Needs(content, sources, part.model_dump_json())


def of_governance(config: Config) -> Needs:
    """Return what a job is given that asks for governance."""
    source = config.governance
    git = _fitting(config.git, [source.url] if source else [])
    return Needs(config=Config(governance=source, git=git))


def _part(policy: Policy, namespace: str) -> Policy:
    """Return a policy without what says nothing about this namespace's evidence."""
    granted = policy.namespaces.namespaces.get(namespace)
    only = Namespaces(namespaces={namespace: granted} if granted else {})
    return policy.model_copy(update={"namespaces": only, "people": People(), "feed": None})


def _registries(known: Mapping[str, Registry], spec: AgentDeploymentSpec) -> dict[str, Registry]:
    if not spec.model and not spec.prompts:
        return {}
    wanted = spec.model.registry if spec.model else "default"
    if wanted in known:
        return {wanted: known[wanted]}
    # The job says that there is none of that name, and which there are; it needs no credentials.
    return {name: Registry(mlflow=one.mlflow) for name, one in known.items()}


def _repositories(spec: AgentDeploymentSpec) -> Iterator[str]:
    for text in (spec.image, spec.model.volume if spec.model else None):
        if text:
            reference = Reference.parse(text)
            yield f"{reference.registry}/{reference.repository}"


def _fitting(entries: list[Entry], targets: Iterable[str]) -> list[Entry]:
    """Return the entries that serve these targets; one that fits less well serves none."""
    chosen = [longest_prefix(entries, target) for target in targets]
    return [entry for entry in entries if entry in chosen]
