"""AgentAdmission: the parameters against which the API server judges each pod of an agent."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from interlock.api.kinds.base import Column, Kind, Model, Name, Reference, Rule, unique

Line = Annotated[str, Field(max_length=1024)]


class AdmittedEnv(Model):
    """One variable: a literal value, or one key of one secret."""

    name: Annotated[str, Field(max_length=256)]
    value: Annotated[str, Field(max_length=4096)] = ""
    secret: Annotated[str, Field(max_length=63)] = ""
    key: Annotated[str, Field(max_length=63)] = ""


class AdmittedMount(Model):
    """One volume mount; everything but an emptyDir is read-only."""

    name: Name
    path: Annotated[str, Field(max_length=256)]
    read_only: bool = False


class AdmittedContainer(Model):
    """One container, literal: the API server compares for equality."""

    name: Name
    image: Reference
    command: Annotated[list[Line], Field(max_length=32)] = []
    args: Annotated[list[Line], Field(max_length=64)] = []
    env: Annotated[list[AdmittedEnv], Field(max_length=64)] = []
    mounts: Annotated[list[AdmittedMount], Field(max_length=16)] = []


class AdmittedVolume(Model):
    """One volume: its type and what it refers to (nothing for an emptyDir)."""

    name: Name
    type: Literal["image", "configMap", "secret", "emptyDir"]
    reference: Annotated[str, Field(max_length=512)] = ""


class AdmittedRevision(Model):
    """One revision whose pods may exist."""

    name: Name
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    eligible: bool = False
    """Whether an emergency rollback may point here."""
    containers: Annotated[list[AdmittedContainer], Field(min_length=1, max_length=8)]
    init_containers: Annotated[list[AdmittedContainer], Field(max_length=4)] = []
    """In the order in which they run; none of them goes on beside the containers."""
    volumes: Annotated[list[AdmittedVolume], Field(max_length=18)] = []
    service_account: Name = "agent"
    runtime_class: Annotated[str, Field(max_length=253)] = ""
    """Empty for the cluster's default: what isolates pods is compared, too."""


class AgentAdmissionSpec(Model):
    """All revisions whose pods may exist now."""

    rules: ClassVar[tuple[Rule, ...]] = (unique("revisions"),)

    quarantined: bool = False
    revisions: Annotated[
        list[AdmittedRevision],
        Field(
            max_length=8,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []


class AgentAdmission(Kind):
    """The one object `current` of an agent's namespace."""

    plural: ClassVar[str] = "agentadmissions"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="QUARANTINED", type="boolean", json_path=".spec.quarantined"),
        Column(name="REVISIONS", json_path=".spec.revisions[*].name"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name == 'current'",
            "there is one AgentAdmission, named current",
            lambda admission: admission.metadata.name in ("", "current"),
        ),
    )
    kind: Literal["AgentAdmission"] = "AgentAdmission"
    spec: AgentAdmissionSpec = AgentAdmissionSpec()
