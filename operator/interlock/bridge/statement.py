"""What the bridge signs: the statement that an approver would sign, and what it saw at the forge.

The bridge vouches for having seen a review, not for the reviewer: its signatures have a namespace
of their own and count as `forge`, on the tiers that take that.
"""

import hashlib
import json
from datetime import datetime, timedelta
from typing import NamedTuple

from interlock.bridge.acceptance import Decision
from interlock.bridge.port import Pull, Review
from interlock.bridge.signing import Key
from interlock.cli.statement import Ballot, envelope
from interlock.cli.statement import statement as ballot_statement
from interlock.evidence import approvals


class Seen(NamedTuple):
    """A review as it was seen."""

    forge: str
    """`https://host`, as trust.yaml and people.yaml name the forge."""
    pull: Pull
    review: Review
    at: datetime


def nonce(forge: str, pull: Pull, review: str, role: str, decision: Decision) -> str:
    """Return the nonce of a word: the same review never counts as another one later."""
    parts = (forge, pull.title, review, role, decision)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def statement(ballot: Ballot, seen: Seen, valid: timedelta) -> bytes:
    """Return the statement's bytes."""
    own = nonce(seen.forge, seen.pull, seen.review.id, ballot.role, ballot.decision)
    said = json.loads(ballot_statement(ballot, own, seen.at, valid))
    said["predicate"]["forge"] = {
        "url": seen.forge,
        "account": seen.review.account.id,
        "login": seen.review.account.login,
        "pull": seen.pull.number,
        "review": seen.review.id,
        "commit": seen.review.commit,
        "seen": said["predicate"]["notBefore"],
    }
    return json.dumps(said, ensure_ascii=False).encode()


def signed(payload: bytes, key: Key) -> bytes:
    """Return the envelope of a statement."""
    return envelope(payload, key.sign(approvals.pae(payload), approvals.FORGE_NAMESPACE))
