"""What the gateway in front of an agent counts: decisions, violations, requests, its own heartbeat.

The names are a contract: whoever decides for an agent exports them, and the scrape puts the pod's
namespace and revision on each series, so that no agent counts for another.
"""

from interlock.signals.contract import Target
from interlock.signals.prometheus import Numbers
from interlock.signals.promql import scoped

DECISIONS = "interlock_decisions_total"
VIOLATIONS = "interlock_violations_total"
HEARTBEAT = "interlock_decision_log_heartbeat_timestamp_seconds"
REQUESTS = "http_requests_total"
SECONDS = "http_request_duration_seconds"


class Counted:
    """A signal over what a gateway counts, of agents that one decides for."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def applies(self, target: Target) -> bool:
        """Whether anybody decides for the agent."""
        return decided(target)


def decided(target: Target) -> bool:
    """Whether somebody decides for this agent: it has tools, policies, or an edge that writes."""
    spec = target.spec
    writes = any(edge.effect == "write" for edge in spec.network.egress)
    return bool(spec.tools or spec.policies or writes)


def rise(counter: str, within: str, target: Target, labels: str = "") -> str:
    """Return the query for how much a counter of the target's revision rose."""
    return _scoped(f"sum(increase({counter}{{{labels}}}[{within}]))", target)


def highest(counter: str, within: str, target: Target, labels: str = "") -> str:
    """Return the query for a counter's value itself, over all pods of the target's revision.

    Unlike a rise it sees a counter that was born with its first event.
    """
    return _scoped(f"sum(max_over_time({counter}{{{labels}}}[{within}]))", target)


def age(stamp: str, within: str, target: Target) -> str:
    """Return the query for the age of the oldest time stamp of the target's revision."""
    return _scoped(f"time() - min(last_over_time({stamp}[{within}]))", target)


def _scoped(query: str, target: Target) -> str:
    return scoped(query, target.home, target.revision)
