"""Whatever kubelets and controllers of other versions write, no look at an agent ends in it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.signals import pods, votes
from interlock.signals.fields import sentence
from support.live import NOW, POLICY, ago, condition, container, deployment, live, pod

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "x", ago(5), "0001-01-01T00:00:00+14:00", "2026-03-01T12:00:00"]),
    st.lists(st.one_of(st.none(), st.text(max_size=3), st.just({}))),
    st.dictionaries(st.sampled_from(["name", "reason", "state"]), st.none()),
)


def broken(value: object, draw: Any) -> object:
    """The same, with parts of it replaced."""
    if draw(st.integers(0, 5)) == 0:
        return draw(JUNK)
    if isinstance(value, dict):
        return {key: broken(one, draw) for key, one in value.items()}
    return [broken(one, draw) for one in value] if isinstance(value, list) else value


@settings(max_examples=50)
@given(st.data(), st.sampled_from(["candidate", "baking", "steady"]))
def test_a_malformed_field_counts_as_absent(data: st.DataObject, stand: Any) -> None:
    ended = {"finishedAt": ago(5), "reason": "Error", "exitCode": 1}
    conditions = [
        condition("Progressing", "False", "ProgressDeadlineExceeded", 30),
        condition("ReplicaFailure", "True", "FailedCreate", 30, "is forbidden"),
    ]
    whole = pod(container(restartCount=3, lastState={"terminated": ended}), ready=False)
    part, of = broken(whole, data.draw), broken(deployment(conditions=conditions), data.draw)
    if not isinstance(part, dict) or not isinstance(of, dict):
        return
    assert pods.workload(of, [part]).pods == 1
    for vote in votes(live(part, stand=stand, of=of), {}, (), POLICY, NOW):
        assert len(vote.message) <= 200


@given(st.text(max_size=2000))
def test_a_message_is_one_printable_line(words: str) -> None:
    assert len(sentence(words)) <= 200
    assert sentence(words).isprintable()
