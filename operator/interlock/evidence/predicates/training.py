"""A training record: which run made a model, of which data, with which parameters.

`{run, datasets: [{name, uri, digest: {sha256}}], parameters: {…}, source: {uri, digest:
{gitCommit}}, finishedOn}`. Facts keep the digest of the parameters, so that two records can be
compared without keeping what may be long.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError

from interlock.api import digests
from interlock.api.kinds.base import Hex64
from interlock.api.proofs import MAX_NAMED, Training
from interlock.evidence.http import shown
from interlock.evidence.predicates.base import Part, Told, incomplete, rfc3339
from interlock.evidence.sigstore import MAX_SKEW
from interlock.evidence.statement import Refused

_COMMIT = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})?")


class _Sha256(Part):
    sha256: Hex64


class _Dataset(Part):
    digest: _Sha256


class _Commit(Part):
    git_commit: str = ""


class _Source(Part):
    digest: _Commit = _Commit()


class _Training(Part):
    run: Annotated[str, Field(min_length=1, max_length=256)]
    datasets: Annotated[list[_Dataset], Field(min_length=1, max_length=MAX_NAMED)]
    parameters: dict[str, Any]
    source: _Source = _Source()
    finished_on: Annotated[str, Field(max_length=40)]


def read(predicate: Mapping[str, Any], told: Told) -> Training:
    """Return a training record as facts. Raises Refused."""
    try:
        said = _Training.model_validate(predicate)
    except ValidationError as error:
        raise incomplete(error, "a complete training record") from None
    commit = said.source.digest.git_commit
    if not _COMMIT.fullmatch(commit):
        got = repr(shown(commit, 80))
        raise Refused("BadPredicate", got, "a git commit of 40 or 64 lower-case hex digits")
    return Training(
        run=said.run,
        datasets=sorted({each.digest.sha256 for each in said.datasets}),
        parameters=digests.of_value(said.parameters),
        commit=commit,
        finished=rfc3339(_finished(said.finished_on, told.signed)),
    )


def _finished(text: str, signed: datetime) -> datetime:
    """Return when the run ended: before it was signed, or somebody's clock or word is wrong."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found > signed + MAX_SKEW:
        expected = f"an RFC 3339 time with its zone, before the record was signed at {signed}"
        raise Refused("BadPredicate", f"finishedOn {shown(text, 60)!r}", expected)
    return found
