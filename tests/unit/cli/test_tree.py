"""The tree shows one agent whole, and moves no cursor."""

from typing import Any

from interlock.api import names
from interlock.cli.tree import MOST, Whole, tree

OLD, NEW = "9f3c51b6e0", "a71e0c93d2"


def agent(**status: Any) -> dict[str, Any]:
    whole = {"ready": "True", "serving": OLD, "candidate": NEW, "gate": "Waiting"}
    whole |= {"reason": "change-approval: 1 of 2", "rollback": "warm", "namespace": "agent-x"}
    return {"metadata": {"name": "press"}, "spec": {"riskTier": "high"}, "status": whole | status}


def revision(digits: str, made: str = "T1") -> dict[str, Any]:
    meta = {"name": f"press-{digits}", "creationTimestamp": made}
    return {"metadata": meta, "spec": {"digest": digits.ljust(64, "0")}}


def pod(digits: str, number: int = 0, **status: Any) -> dict[str, Any]:
    labels = {names.LABEL_REVISION: f"press-{digits}"}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {
        "metadata": {"name": f"press-{digits}-{number}", "labels": labels},
        "status": status or ready,
    }


def pointer(to: str) -> dict[str, Any]:
    return {"spec": {"selector": {names.LABEL_REVISION: to}}}


def lines(*, agent_: dict[str, Any] | None = None, **whole: Any) -> list[str]:
    return tree(Whole(agent_ or agent(), **whole), lambda moment: moment or "-")


def test_it_shows_the_wish_the_pointer_revisions_decision_pods_and_the_last_record() -> None:
    decision = {
        "metadata": {"name": f"press-{NEW}-4"},
        "spec": {
            "revision": f"press-{NEW}",
            "verdict": "Waiting",
            "outcomes": [{"outcome": "PASS"}, {"outcome": "PASS"}, {"outcome": "WAIT"}],
        },
    }
    record = {
        "metadata": {"name": "press-17"},
        "spec": {"type": "Promotion", "from": "press-04bd62f1aa", "to": f"press-{OLD}", "at": "T3"},
        "status": {"end": {"outcome": "Committed"}, "healthy": {}},
    }
    shown = lines(
        revisions=(revision(OLD), revision(NEW, "T2")),
        transitions=(record,),
        pods=(pod(OLD), pod(OLD, 1, phase="Pending")),
        pointer=pointer(f"press-{OLD}"),
        decision=decision,
    )
    assert shown == [
        "press  ready, tier high, rollback warm",
        f"├─ wants     {NEW}  Waiting: change-approval: 1 of 2",
        f"├─ pointer   {OLD}  1 of 2 pods ready",
        f"├─ revision  {NEW}  candidate, T2",
        f"│  └─ decision  press-{NEW}-4  Waiting: 2 pass, 1 wait",
        f"├─ revision  {OLD}  serving, T1",
        f"│  ├─ pod       press-{OLD}-0  ready, -",
        f"│  └─ pod       press-{OLD}-1  Pending, -",
        f"└─ record    press-17  Promotion 04bd62f1aa → {OLD}, Committed, healthy, T3",
    ]


def test_a_quarantined_agent_has_no_traffic() -> None:
    assert "├─ pointer   none: no traffic" in lines(
        pointer=pointer("none"), revisions=(revision(OLD),)
    )


def test_a_pod_says_the_worst_about_itself() -> None:
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    crashing = pod(OLD, phase="Running", containerStatuses=[waiting])
    leaving = pod(OLD, 1)
    leaving["metadata"]["deletionTimestamp"] = "T9"
    text = "\n".join(lines(revisions=(revision(OLD),), pods=(crashing, leaving)))
    assert f"press-{OLD}-0  CrashLoopBackOff" in text
    assert f"press-{OLD}-1  terminating" in text


def test_what_is_much_is_counted_and_not_listed() -> None:
    many = tuple(revision(f"{number:010x}", f"T{number:02}") for number in range(MOST + 3))
    shown = lines(revisions=many, pods=tuple(pod(OLD, n) for n in range(MOST + 2)))
    assert "└─ and 3 older revisions" in shown
    # the newest first
    assert f"├─ revision  {MOST + 2:010x}  kept, T10" in shown
    pods = lines(revisions=(revision(OLD),), pods=tuple(pod(OLD, n) for n in range(MOST + 2)))
    assert "   └─ and 2 more pods" in pods


def test_what_may_not_be_read_is_said() -> None:
    assert "└─ pods: you may not read them in agent-x" in lines(hidden=frozenset({"pods"}))


def test_a_held_revision_is_called_held() -> None:
    held = agent(holds=[{"digest": "04bd62f1aa".ljust(64, "0")}])
    assert "└─ revision  04bd62f1aa  held, T1" in lines(
        agent_=held, revisions=(revision("04bd62f1aa"),)
    )


def test_a_reason_moves_no_cursor() -> None:
    assert "\x1b" not in "\n".join(lines(agent_=agent(reason="x\x1b[2J")))
