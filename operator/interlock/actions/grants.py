"""The gate `grants` comes before everything: on facts without evidence, before any fetch."""

from datetime import UTC, datetime
from functools import lru_cache

from interlock.api.facts import Context, Facts, Subject
from interlock.api.observed import Wanted
from interlock.api.values import Outcome, Purpose
from interlock.gates import grants
from interlock.policy import Policy


def grant_refusal(policy: Policy, wanted: Wanted) -> str:
    """Return why the namespace may not name what the spec names; empty where it may."""
    return _refusal(_Case(policy, wanted))


class _Case:
    """Policy and wish, told apart by what the gate reads: the same question is asked once."""

    def __init__(self, policy: Policy, wanted: Wanted) -> None:
        self.policy, self.wanted = policy, wanted
        version = policy.revocation_version
        self._mark = (policy.digest, version, wanted.digest, wanted.spec.replicas)

    def __hash__(self) -> int:
        return hash(self._mark)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Case) and self._mark == other._mark


@lru_cache(maxsize=20_000)
def _refusal(case: _Case) -> str:
    wanted = case.wanted
    facts = Facts(
        now=datetime.now(UTC).isoformat(timespec="seconds"),
        purpose=Purpose.PROMOTION,
        subject=Subject(
            namespace=wanted.namespace,
            name=wanted.name,
            spec=wanted.spec.dump(),
            digest=wanted.digest,
            behaviour=wanted.behaviour,
        ),
        context=Context(cluster="", environment="", tier=wanted.spec.risk_tier),
    )
    result = grants.evaluate(facts, case.policy)
    return "" if result.outcome is Outcome.PASS else f"{result.gate}: {result.message}"
