"""SLSA provenance v1: who built an image, of which commit, and what they were told.

The source is the one resolved dependency that names a git commit. Two of them would let a reader
take the harmless one, so then there is none.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from interlock.api.proofs import Provenance
from interlock.evidence.http import shown
from interlock.evidence.predicates.base import Part, Told, incomplete
from interlock.evidence.statement import Refused

MAX_PARAMETERS = 64
MAX_NAME = 256
MAX_VALUE = 1024
MAX_DEPENDENCIES = 20_000
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_KIND = "gitCommit"
_OLD_KIND = "sha1"
_GIT = "git+"

_Uri = Annotated[str, Field(min_length=1, max_length=1024)]


class _Dependency(Part):
    uri: Annotated[str, Field(max_length=4096)] = ""
    digest: dict[str, str] = {}


class _Definition(Part):
    build_type: _Uri
    external_parameters: dict[str, Any]
    resolved_dependencies: Annotated[list[_Dependency], Field(max_length=MAX_DEPENDENCIES)] = []


class _Builder(Part):
    id: _Uri


class _Run(Part):
    builder: _Builder


class _Slsa(Part):
    build_definition: _Definition
    run_details: _Run


def read(predicate: Mapping[str, Any], told: Told) -> Provenance:
    """Return an SLSA provenance v1 predicate as facts. Raises Refused."""
    try:
        said = _Slsa.model_validate(predicate)
    except ValidationError as error:
        raise incomplete(error, "a complete SLSA provenance v1 predicate") from None
    definition = said.build_definition
    source, commit = _source(definition.resolved_dependencies)
    return Provenance(
        builder=said.run_details.builder.id,
        build_type=definition.build_type,
        source=source,
        commit=commit,
        parameters=_parameters(definition.external_parameters),
        dependencies=len(definition.resolved_dependencies),
    )


def _source(dependencies: list[_Dependency]) -> tuple[str, str]:
    """Return URI and commit of the source, or nothing where that is not clear."""
    found = {(each.uri, commit) for each in dependencies if (commit := _commit(each))}
    return found.pop() if len(found) == 1 else ("", "")


def _commit(dependency: _Dependency) -> str:
    """Return the commit that a dependency names. Raises Refused for one that is none."""
    said = dependency.digest.get(_KIND, "")
    if not said and dependency.uri.startswith(_GIT):
        said = dependency.digest.get(_OLD_KIND, "")
    if said and not _COMMIT.fullmatch(said):
        expected = "a git commit of 40 or 64 lower-case hex digits"
        raise Refused("BadPredicate", repr(shown(said, 80)), expected)
    return said


def _parameters(value: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in _leaves("", value):
        if len(found) == MAX_PARAMETERS:
            raise Refused("BadPredicate", "more parameters", f"at most {MAX_PARAMETERS}")
        if len(name) > MAX_NAME or len(text) > MAX_VALUE:
            got = f"{shown(name, 80)} with {len(text)} characters"
            expected = f"names of at most {MAX_NAME} and values of at most {MAX_VALUE} characters"
            raise Refused("BadPredicate", got, expected)
        found[name] = text
    return found


def _leaves(prefix: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each value under its dotted name; a dot within a name is written `\\.`, so that
    nobody can name a parameter like a nested one.
    """
    for key, each in value.items():
        name = prefix + key.replace("\\", "\\\\").replace(".", "\\.")
        if isinstance(each, dict) and each:
            yield from _leaves(f"{name}.", each)
        else:
            yield name, each if isinstance(each, str) else json.dumps(each, sort_keys=True)
