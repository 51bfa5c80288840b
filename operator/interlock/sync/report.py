"""How one sync ended, as the status of its AgentRepository tells it. Pure, but for the clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from interlock.api.kinds.repository import RefusedFile
from interlock.api.reasons import Reason
from interlock.cluster.client import Object
from interlock.evidence.http import shown

_SHOWN_REFUSALS = 64
_TRANSIENT = (Reason.FETCH_FAILED, Reason.DRIFT)
"""What passes without anybody doing anything in git."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one sync ended, as the status tells it."""

    reason: Reason
    message: str
    commit: str = ""
    applied: int = 0
    refused: tuple[RefusedFile, ...] = field(default=())


def status_of(repository: Object, outcome: Outcome) -> Object:
    """Return the whole status; a sync that did not get to a commit keeps what was known."""
    old = repository.get("status") or {}
    done = outcome.reason in (Reason.SYNCED, Reason.FILE_REFUSED) or bool(outcome.commit)
    message = shown(outcome.message, 1000)
    found: Object = {
        "observedGeneration": repository["metadata"].get("generation", 0),
        "conditions": _conditions(repository, outcome, message),
        "commit": outcome.commit if done else old.get("commit", ""),
        "applied": outcome.applied if done else old.get("applied", 0),
        "ready": _ready(outcome),
        "reason": message if outcome.reason is not Reason.SYNCED else "-",
    }
    if outcome.refused:
        listed = outcome.refused[:_SHOWN_REFUSALS]
        found["refused"] = [each.model_dump(mode="json", by_alias=True) for each in listed]
    return found


def _ready(outcome: Outcome) -> str:
    return {Reason.SYNCED: "True", Reason.PAUSED: "Unknown"}.get(outcome.reason, "False")


def _conditions(repository: Object, outcome: Outcome, message: str) -> list[Object]:
    wanted = [("Ready", _ready(outcome))]
    if outcome.reason in _TRANSIENT:
        wanted.append(("Reconciling", "True"))
    elif outcome.reason not in (Reason.SYNCED, Reason.PAUSED):
        wanted.append(("Stalled", "True"))
    before = {c["type"]: c for c in (repository.get("status") or {}).get("conditions", [])}
    return [_condition(repository, kind, value, outcome, message, before) for kind, value in wanted]


def _condition(  # noqa: PLR0917 - one field each
    repository: Object,
    kind: str,
    value: str,
    outcome: Outcome,
    message: str,
    before: Mapping[str, Object],
) -> Object:
    old = before.get(kind, {})
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": kind,
        "status": value,
        "reason": outcome.reason.value,
        "message": message,
        "observedGeneration": repository["metadata"].get("generation", 0),
        "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == value else now,
    }
