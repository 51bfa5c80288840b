from typing import Any

import pytest

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals import admission
from support.live import NOW, POLICY, condition, deployment, live

REFUSED = (
    'pods "press-04bd62f1aa-" is forbidden: ValidatingAdmissionPolicy "interlock-pods" with '
    'binding "interlock-pods" denied request: the image is not admitted'
)


def voted(
    since: float = 30,
    message: str = REFUSED,
    reason: str = "FailedCreate",
    policy: SignalPolicy = POLICY,
    **facts: Any,
) -> Vote | None:
    state = condition("ReplicaFailure", facts.pop("status", "True"), reason, since, message)
    of = deployment(ready=0, conditions=[state], **facts)
    return admission.vote(live(of=of), policy, NOW)


def verdict(**changes: Any) -> str:
    vote = voted(**changes)
    assert vote is not None
    return vote.verdict


def test_a_refusal_that_lasts_is_bad() -> None:
    vote = voted()
    assert vote is not None
    assert (vote.verdict, vote.action, vote.lasting) == ("bad", "rollback", False)
    assert vote.message == f"pods cannot be created: {REFUSED}"


def test_a_younger_one_only_holds() -> None:
    assert verdict(since=29) == "none"


def test_policy_sets_the_time() -> None:
    assert verdict(policy=SignalPolicy(denied_within="31s")) == "none"


@pytest.mark.parametrize(
    "message",
    [
        'admission webhook "x.example" denied the request: no',
        'Pod "x" is invalid: spec.containers: Required value',
        'pods "x" is forbidden: exceeded quota: revisions',
    ],
)
def test_every_wording_of_a_refusal_counts(message: str) -> None:
    assert verdict(message=message) == "bad"


@pytest.mark.parametrize(
    "message",
    [
        "Internal error occurred: failed calling webhook: connection refused",
        "etcdserver: request timed out",
        "",
    ],
)
def test_an_api_server_in_trouble_has_refused_nothing(message: str) -> None:
    assert verdict(message=message, since=3600) == "none"


def test_nothing_to_say_where_pods_can_be_created() -> None:
    assert admission.vote(live(), POLICY, NOW) is None
    assert voted(status="False") is None
    assert voted(reason="FailedDelete") is None


def test_what_is_about_an_older_spec_says_nothing() -> None:
    assert voted(observedGeneration=1) is None


def test_a_long_refusal_fits_a_column() -> None:
    vote = voted(message=REFUSED + "\n\x1b[2J" + "x" * 5000)
    assert vote is not None
    assert len(vote.message) == 200
    assert vote.message.isprintable()
