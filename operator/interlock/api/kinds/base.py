"""What all kinds share: closed frozen models, bounded scalars, conditions, CRD facts."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def _real_moment(text: str) -> str:
    datetime.fromisoformat(text)  # raises ValueError for a 30th of February
    return text


Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
"""A SHA-256 digest as 64 lower-case hex digits."""
Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
"""A SHA-256 digest as people write it in YAML."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""A DNS label (RFC 1123)."""
Text = Annotated[str, Field(max_length=1024)]
"""A sentence for people."""
Reference = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9.:-]*(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?"
        r"(@sha256:[0-9a-f]{64})?$",
        max_length=512,
    ),
]
"""An OCI reference with its registry written out: `registry/repository[:tag][@sha256:…]`."""
Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(s|m|h)$", max_length=8)]
"""A whole number of seconds, minutes or hours, such as `30s` or `10m`."""
Time = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
        r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
        json_schema_extra={"format": "date-time"},
        max_length=40,
    ),
    AfterValidator(_real_moment),
]
"""An RFC 3339 moment."""
Port = Annotated[int, Field(ge=1, le=65535)]

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(duration: str) -> int:
    """Return a Duration in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


class Rule(NamedTuple):
    """One rule across fields, said twice: in CEL to the API server, in Python to everyone else."""

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    """None for a rule about what is stored already, which only the API server knows."""


IMMUTABLE = Rule("self == oldSelf", "this object never changes once created")


def unique(field: str) -> Rule:
    """Return the rule that the entries of a list have names of their own."""
    return Rule(
        f"!has(self.{field}) || self.{field}.all(x, self.{field}.exists_one(y, y.name == x.name))",
        f"each of {field} has a name of its own",
        lambda model: len({x.name for x in getattr(model, field)}) == len(getattr(model, field)),
    )


class Ruled(BaseModel):
    """Carries its rules into the CRD and obeys them in Python as well."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obey(self) -> Self:
        for rule in self.rules:
            if rule.holds and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.rules:
            schema["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": rule.message} for rule in cls.rules
            ]
        return schema


class Model(Ruled):
    """A closed, frozen piece of a kind: an unknown field is refused, camelCase outside."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    def dump(self) -> dict[str, Any]:
        """Return the JSON form without absent fields and without fields at their default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)


class Metadata(BaseModel):
    """The part of ObjectMeta that Interlock reads; the API server owns the rest."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = Field(default="", alias="resourceVersion")
    creation_timestamp: str | None = Field(default=None, alias="creationTimestamp")
    deletion_timestamp: str | None = Field(default=None, alias="deletionTimestamp")
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []


class Condition(Model):
    """One kstatus condition; `Reconciling` and `Stalled` are present only when true."""

    type: Annotated[str, Field(max_length=64)]
    status: Annotated[str, Field(pattern="^(True|False|Unknown)$", max_length=7)]
    reason: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(max_length=4096)] = ""
    observed_generation: int = 0
    last_transition_time: Time


class Column(Model):
    """One column of `kubectl get`."""

    name: str
    type: str = "string"
    json_path: str = Field(alias="jsonPath")
    priority: int = 0


class Kind(Ruled):
    """A whole object. Subclasses say what the CRD needs to know beside the schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    plural: ClassVar[str]
    short_names: ClassVar[tuple[str, ...]] = ()
    cluster_scoped: ClassVar[bool] = False
    columns: ClassVar[tuple[Column, ...]] = ()
    raw: ClassVar[tuple[str, ...]] = ()
    """Fields of the spec that hold somebody else's JSON, kept as it is."""

    api_version: Literal["interlock.dev/v1alpha1"] = Field(
        default="interlock.dev/v1alpha1", alias="apiVersion"
    )
    kind: str = ""
    metadata: Metadata = Metadata()

    @classmethod
    def parse(cls, document: object) -> Self:
        """Read a document that somebody else wrote as strictly as the API server does.

        No string becomes a number, Python's field names are unknown, and a field that is null is
        absent. Raises pydantic.ValidationError.
        """
        return cls.model_validate(
            document, strict=True, by_alias=True, by_name=False, context=_FOREIGN
        )

    @model_validator(mode="before")
    @classmethod
    def _as_the_api_server(cls, data: Any, info: ValidationInfo) -> Any:
        if info.context is _FOREIGN and isinstance(data, dict):
            for complaint in _complaints(data):
                raise ValueError(complaint)
            return {key: _as_stored(value, cls.raw) for key, value in data.items()}
        return data


_FOREIGN = {"document": "written by somebody else"}
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_SUBDOMAIN = 253
_EXACT = 2**53  # below it a JSON number that looks whole is whole


def _complaints(document: dict[str, Any]) -> Iterator[str]:
    yield from (f"{key} is missing" for key in ("apiVersion", "kind") if key not in document)
    metadata = document.get("metadata")
    yield from unnamed(metadata.get("name") if isinstance(metadata, dict) else None)


def unnamed(name: object) -> Iterator[str]:
    """Say what keeps `name` from being an object's name: it becomes part of a URL's path."""
    if not isinstance(name, str) or not _SUBDOMAIN.fullmatch(name) or len(name) > _MAX_SUBDOMAIN:
        yield f"metadata.name is {name!r}, expected a DNS subdomain (RFC 1123)"


def _as_stored(value: Any, raw: tuple[str, ...] = ()) -> Any:
    """Return what the API server keeps: no field that is null, and `80.0` as the integer it is."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if item is not None}
        return {key: item if key in raw else _as_stored(item) for key, item in kept.items()}
    if isinstance(value, list):
        return [_as_stored(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value
