"""Alerts as Falco, Falcosidekick and Tetragon write them."""

import json

import pytest

from interlock.signals.contract import Sample
from interlock.signals.runtime import Runtime, Unreadable, alerts
from support.targets import NOW

FALCO = {
    "hostname": "node-1",
    "output": "Shell spawned",
    "output_fields": {
        "evt.time": 1772366400000000000,
        "k8s.ns.name": "agent-a",
        "k8s.pod.name": "press-1-x",
        "proc.cmdline": None,
    },
    "priority": "Critical",
    "rule": "Terminal shell in container",
    "source": "syscall",
    "tags": ["shell"],
    "time": "2026-03-01T12:00:00.000000000Z",
}
TETRAGON = {
    "process_kprobe": {
        "process": {"binary": "/bin/sh", "pod": {"namespace": "agent-a", "name": "press-1-x"}},
        "function_name": "__x64_sys_execve",
        "action": "KPROBE_ACTION_SIGKILL",
        "policy_name": "no-shells",
    },
    "node_name": "node-1",
    "time": "2026-03-01T12:00:00.000000000Z",
}


def read(said: object) -> list[tuple[str, str, bool]]:
    return [(one.namespace, one.pod, one.critical) for one in alerts(json.dumps(said).encode())]


@pytest.mark.parametrize(
    ("priority", "critical"),
    [("Emergency", True), ("Alert", True), ("critical", True), ("Error", False), ("", False)],
)
def test_falco(priority: str, critical: bool) -> None:
    assert read(FALCO | {"priority": priority}) == [("agent-a", "press-1-x", critical)]


def test_falcosidekick_adds_an_identity() -> None:
    assert read(FALCO | {"uuid": "f3b0", "custom": {}}) == [("agent-a", "press-1-x", True)]


@pytest.mark.parametrize(
    ("action", "critical"),
    [
        ("KPROBE_ACTION_SIGKILL", True),
        ("KPROBE_ACTION_OVERRIDE", True),
        ("KPROBE_ACTION_POST", False),
        ("", False),
    ],
)
def test_tetragon(action: str, critical: bool) -> None:
    event = TETRAGON["process_kprobe"]
    assert isinstance(event, dict)
    said = TETRAGON | {"process_kprobe": event | {"action": action}}
    assert read(said) == [("agent-a", "press-1-x", critical)]


def test_a_shipper_may_send_several() -> None:
    assert len(read([FALCO, TETRAGON])) == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"3", b"{}", b"[" * 60_000, json.dumps([FALCO] * 33).encode(), b"\xff"],
)
def test_what_is_no_alert_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        alerts(body)


def test_what_a_process_wrote_is_shown_on_one_line() -> None:
    (alert,) = alerts(json.dumps(FALCO | {"rule": "x\n\x1b[2Jcritical" + "y" * 999}).encode())
    assert alert.message.isprintable()
    assert len(alert.message) <= 200


def test_a_critical_alert_counts_at_once_and_others_say_nothing() -> None:
    (critical,) = alerts(json.dumps(FALCO).encode())
    (notice,) = alerts(json.dumps(FALCO | {"priority": "Notice"}).encode())
    assert (critical.sample(NOW).verdict, critical.sample(NOW).urgent) == ("bad", True)
    assert (notice.sample(NOW).verdict, notice.sample(NOW).urgent) == ("none", False)


def test_silence_of_the_sensors_is_no_vote() -> None:
    bad, none = Sample(NOW, "bad", "x", urgent=True), Sample(NOW, "none", "y")
    assert [Runtime().votes(rows) for rows in ((), (none,), (bad, none))] == [False, False, True]
