"""A model's signature (OMS v1.0), compared with the files that are there, one by one."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from interlock.api import facts
from interlock.api.facts import FileDifference, ModelSignature
from interlock.api.kinds.base import Hex64
from interlock.evidence.http import shown
from interlock.evidence.modeltree import MAX_FILES
from interlock.evidence.predicates.base import Part, Told, incomplete
from interlock.evidence.statement import Refused

UNSIGNED_PATHS = frozenset({"model.sig", ".git", ".gitattributes", ".github", ".gitignore"})
"""What OMS signers leave out by default. Such a file in the registry counts as unsigned."""


class _Serialization(Part):
    model_config = ConfigDict(alias_generator=None)

    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: Literal[False]
    ignore_paths: Annotated[list[str], Field(max_length=64)] = []


class _Resource(Part):
    name: Annotated[str, Field(min_length=1, max_length=1024)]
    algorithm: Literal["sha256"]
    digest: Hex64


class _Oms(Part):
    serialization: _Serialization
    resources: Annotated[list[_Resource], Field(min_length=1, max_length=MAX_FILES)]


def read(predicate: Mapping[str, Any], told: Told) -> ModelSignature:
    """Compare an OMS v1.0 predicate with the files that are there, one by one. Raises Refused.

    The statement's own digest is not used: it binds no file names (OMS spec 6.5.1).
    """
    try:
        said = _Oms.model_validate(predicate)
    except ValidationError as error:
        raise incomplete(error, "an OMS v1.0 list of whole files") from None
    if extra := sorted(set(said.serialization.ignore_paths) - UNSIGNED_PATHS):
        expected = f"only {', '.join(sorted(UNSIGNED_PATHS))} left out"
        raise Refused("PathsLeftOut", f"{shown(extra[0], 80)!r} left out", expected)
    signed = {each.name: each.digest for each in said.resources}
    if len(signed) != len(said.resources):
        raise Refused("BadPredicate", "a file named twice", "each file once")
    return _compared(signed, {file.path: file.sha256 for file in told.files})


def _compared(signed: Mapping[str, str], there: Mapping[str, str]) -> ModelSignature:
    differs = [
        FileDifference(path=path, got=there[path], expected=signed[path])
        for path in sorted(signed.keys() & there.keys())
        if there[path] != signed[path]
    ]
    named = facts.MAX_FILES_NAMED
    return ModelSignature(
        files=len(there),
        differs=differs[:named],
        missing=sorted(shown(path) for path in signed.keys() - there.keys())[:named],
        unsigned=sorted(there.keys() - signed.keys())[:named],
    )
