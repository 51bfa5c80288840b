"""What Falco and Tetragon saw on a node, read from the JSON that they deliver.

Nothing in an alert is believed but where it happened and how bad it is; its sender proved itself
by a certificate, and what a process wrote into its own alert is shown, never obeyed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from interlock.api.observed import Action
from interlock.signals.contract import Sample
from interlock.signals.fields import field, sentence, text

MAX_ALERTS = 32
"""Alerts in one delivery."""
CRITICAL = frozenset({"emergency", "alert", "critical"})
"""Priorities of Falco that isolate an agent."""
ENFORCED = frozenset({"SIGKILL", "SIGNAL", "OVERRIDE", "NOTIFYENFORCER"})
"""Actions of Tetragon by which it stopped what a process did."""
_ACTION = "KPROBE_ACTION_"
_EVENTS = (
    "process_kprobe",
    "process_tracepoint",
    "process_uprobe",
    "process_lsm",
    "process_usdt",
    "process_exec",
    "process_exit",
    "process_loader",
)


class Unreadable(ValueError):
    """A body that is no alert. The sentence says what was expected."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The signal that alerts become. It is told, never asked."""

    name: str = "runtime"
    action: Action = "quarantine"
    lasting: bool = True

    def votes(self, samples: Iterable[Sample]) -> bool:
        """Whether it has anything to say: silence of the sensors is no lack of data."""
        return any(sample.verdict == "bad" for sample in samples)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert."""

    namespace: str
    pod: str
    critical: bool
    message: str

    def sample(self, now: datetime) -> Sample:
        """Return it as a sample: a critical one counts at once, others are shown only."""
        return Sample(now, "bad" if self.critical else "none", self.message, self.critical)


def alerts(body: bytes) -> list[Alert]:
    """Return the alerts of one delivery: an object, or a list of some. Raises Unreadable."""
    try:
        said = json.loads(body)  # not strict: Falco writes nanoseconds as numbers beyond 2**53
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The body is no JSON: {sentence(str(error))}.") from None
    listed = said if isinstance(said, list) else [said]
    if not 0 < len(listed) <= MAX_ALERTS:
        raise Unreadable(f"The body holds {len(listed)} alerts, expected 1 to {MAX_ALERTS}.")
    return [_alert(one) for one in listed]


def _alert(said: object) -> Alert:
    found = _tetragon(said) or _falco(said)
    if not found.namespace:
        raise Unreadable(
            "The alert names no Kubernetes namespace. Falco needs output_fields k8s.ns.name and "
            "k8s.pod.name, Tetragon a process with its pod."
        )
    return found


def _falco(said: object) -> Alert:
    """Falco's HTTP output and Falcosidekick's webhook have these fields in common."""
    priority = text(said, "priority")
    return Alert(
        namespace=text(said, "output_fields", "k8s.ns.name"),
        pod=text(said, "output_fields", "k8s.pod.name"),
        critical=priority.lower() in CRITICAL,
        message=sentence(f"Falco {priority}: {text(said, 'rule')}"),
    )


def _tetragon(said: object) -> Alert | None:
    event = next((name for name in _EVENTS if isinstance(field(said, name), dict)), None)
    if event is None:
        return None
    pod = field(said, event, "process", "pod")
    action = text(said, event, "action").removeprefix(_ACTION)
    policy = text(said, event, "policy_name") or event
    return Alert(
        namespace=text(pod, "namespace"),
        pod=text(pod, "name"),
        critical=action in ENFORCED,
        message=sentence(f"Tetragon {action or 'event'}: {policy}"),
    )
