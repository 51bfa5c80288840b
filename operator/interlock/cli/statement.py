"""What an approver signs: an in-toto statement about one content, in a DSSE envelope of its own.

Pure but for the clock that is passed in. What is made here is read by `evidence/approvals.py`.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from interlock.api import names
from interlock.api.facts import AGENT_CONTENT, APPROVAL
from interlock.evidence.statement import PAYLOAD_TYPE, STATEMENT_TYPE

Decision = Literal["approve", "reject", "revoke"]


class Ballot(NamedTuple):
    """One person's word on one content."""

    content: str
    decision: Decision
    cluster: str
    repository: str
    ref: str
    path: str
    environment: str
    namespace: str
    predecessor: str
    """Content digest of what serves, empty for nothing."""
    policy_digest: str
    person: str
    role: str
    reason: str
    overrides: tuple[str, ...] = ()
    """Freezes that it lifts."""


def statement(ballot: Ballot, nonce: str, now: datetime, valid: timedelta) -> bytes:
    """Return the statement's bytes. Times are whole seconds, in UTC."""
    predicate: dict[str, Any] = {
        "decision": ballot.decision,
        "clusters": [ballot.cluster],
        "repository": ballot.repository,
        "ref": ballot.ref,
        "path": ballot.path,
        "environment": ballot.environment,
        "namespace": ballot.namespace,
        "predecessor": ballot.predecessor or names.NO_REVISION,
        "policyDigest": ballot.policy_digest,
        "person": ballot.person,
        "role": ballot.role,
        "notBefore": _stamp(now),
        "notAfter": _stamp(now + valid),
        "nonce": nonce,
        "reason": ballot.reason,
    }
    if ballot.overrides:
        predicate["overrides"] = list(ballot.overrides)
    subject = {"name": AGENT_CONTENT, "digest": {"sha256": ballot.content}}
    return json.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": APPROVAL,
            "predicate": predicate,
        },
        ensure_ascii=False,
    ).encode()


def envelope(payload: bytes, armored: str) -> bytes:
    """Return the DSSE envelope of a statement and its armored SSHSIG."""
    return json.dumps(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"sig": base64.b64encode(armored.encode()).decode()}],
        }
    ).encode()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
