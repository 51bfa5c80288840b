"""From bundles to evidence: what each verified statement says, strictly read and summarised.

A statement that a trusted signer made may still say too little: an OMS signature that leaves
paths out, a scan without its database's date. What cannot be read in full is denied, never
guessed. Who may say what is the gates' question.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from interlock.api.digests import ModelFile, sha256
from interlock.api.facts import Denied, Evidence
from interlock.evidence.http import MAX_BLOB_BYTES, Blob, shown
from interlock.evidence.predicates import READERS
from interlock.evidence.predicates.base import Told, rfc3339
from interlock.evidence.predicates.vulns import newest_in_full
from interlock.evidence.proven import Verifies
from interlock.evidence.sigstore import Refusal, Verified
from interlock.evidence.statement import Refused


def read(
    blobs: Iterable[Blob], verifier: Verifies, files: Sequence[ModelFile], now: datetime
) -> tuple[list[Evidence], list[Denied]]:
    """Return what the bundles prove and which prove nothing, each once, sorted by digest."""
    evidence: dict[str, Evidence] = {}
    denied: dict[str, Denied] = {}
    for blob in blobs:
        found = _one(blob, verifier, files, now)
        if isinstance(found, Evidence):
            evidence.setdefault(found.bundle, found)
        else:
            denied.setdefault(found.bundle, found)
    proofs = newest_in_full([evidence[key] for key in sorted(evidence)])
    return proofs, [denied[key] for key in sorted(denied)]


def _one(
    blob: Blob, verifier: Verifies, files: Sequence[ModelFile], now: datetime
) -> Evidence | Denied:
    if blob.data is None:
        size = MAX_BLOB_BYTES >> 20
        got, expected = f"more than {size} MiB", f"at most {size} MiB"
        return _denied(blob, Refusal("TooLarge", got, expected))
    proven = verifier.verify(blob.data, now)
    if isinstance(proven, Refusal):
        return _denied(blob, proven)
    try:
        return _evidence(blob, proven, files)
    except Refused as refused:
        return _denied(blob, Refusal(refused.code, refused.got, refused.expected))


def _denied(blob: Blob, why: Refusal) -> Denied:
    return Denied(
        bundle=sha256(blob.data if blob.data is not None else blob.location.encode()),
        location=shown(blob.location, 512),
        code=why.code,
        got=shown(why.got, 512),
        expected=shown(why.expected, 512),
    )


def _evidence(blob: Blob, proven: Verified, files: Sequence[ModelFile]) -> Evidence:
    found = Evidence(
        bundle=sha256(blob.data or b""),
        statement=proven.statement,
        location=shown(blob.location, 512),
        predicate_type=proven.predicate_type,
        subjects=list(proven.subjects),
        identity=proven.identity,
        issuer=proven.issuer,
        at=rfc3339(proven.at),
        extensions=dict(proven.extensions),
    )
    if proven.predicate_type not in READERS:
        return found
    field, reader = READERS[proven.predicate_type]
    return found.model_copy(update={field: reader(proven.predicate, Told(proven.at, files))})
