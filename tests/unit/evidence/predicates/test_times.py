"""A time that UTC has no year for is refused, and does not end the reading of all other bundles."""

from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.evidence.predicates import training, vulns
from interlock.evidence.predicates.base import Told
from interlock.evidence.statement import Refused
from support import signed

BEFORE_TIME = "0001-01-01T00:00:00+23:59"
NOW = Told(datetime(2026, 11, 20, tzinfo=UTC), ())


def test_in_a_training_record() -> None:
    data = [{"digest": {"sha256": "a" * 64}}]
    said = {"run": "r", "datasets": data, "parameters": {}, "finishedOn": BEFORE_TIME}
    with pytest.raises(Refused, match="UTC has a year"):
        training.read(said, NOW)


def test_in_a_scan() -> None:
    said: dict[str, Any] = signed.vulns(finished=datetime(2026, 11, 19, tzinfo=UTC))
    said["metadata"]["scanStartedOn"] = BEFORE_TIME
    with pytest.raises(Refused, match="UTC has a year"):
        vulns.read(said, NOW)
