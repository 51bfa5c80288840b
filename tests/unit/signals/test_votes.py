from dataclasses import dataclass
from datetime import timedelta

from interlock.api.observed import Action
from interlock.signals import KUBE, votes
from interlock.signals.contract import Sample
from support.live import NOW, POLICY, condition, deployment, live, pod


@dataclass(frozen=True)
class Probe:
    name: str
    action: Action = "rollback"
    lasting: bool = False


def test_the_caches_come_first_then_what_was_asked() -> None:
    of = deployment(conditions=[condition("Progressing", "True", "NewReplicaSetAvailable", 1)])
    seen = live(pod(), of=of, expires=NOW + timedelta(hours=1))
    found = votes(seen, {}, (Probe("probe-http"), Probe("metrics")), POLICY, NOW)
    assert [vote.signal for vote in found] == [
        "readiness",
        "crashes",
        "progress",
        "digests",
        "expiry",
        "probe-http",
        "metrics",
    ]


def test_samples_go_to_their_own_signal() -> None:
    bad = Sample(NOW, "bad", "the gateway counted a safety violation", urgent=True)
    signals = (Probe("probe-http"), Probe("violations", "quarantine", True))
    found = votes(live(), {"violations": (bad,)}, signals, POLICY, NOW)
    verdicts = {vote.signal: (vote.verdict, vote.action, vote.lasting) for vote in found[-2:]}
    assert verdicts == {
        "probe-http": ("none", "rollback", False),
        "violations": ("bad", "quarantine", True),
    }


def test_where_it_stands_reaches_the_window() -> None:
    good = {"probe": (Sample(NOW, "good", "200"),)}
    standing = {
        stand: votes(live(stand=stand), good, (Probe("probe"),), POLICY, NOW)[-1].verdict
        for stand in ("candidate", "baking", "steady")
    }
    assert standing == {"candidate": "none", "baking": "good", "steady": "good"}


def test_a_signal_of_the_caches_has_a_name_of_its_own() -> None:
    assert len({signal.__module__ for signal in KUBE}) == len(KUBE)
