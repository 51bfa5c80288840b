"""The feed is optional until policy asks about it, and then says what policy asks."""

from typing import Any

import pytest

from interlock.policy.parse import MAX_TARGETS, PolicyError, parse
from support.policies import documents, good_policy, targets

FEED = {"date": "2026-11-20T00:00:00Z", "kev": ["CVE-2026-1"], "epss": {"CVE-2026-2": 0.5}}


def asking(**scan: Any) -> dict[str, Any]:
    gates: dict[str, Any] = documents()["gates"] | {"vulnerabilityScan": scan}
    return gates


def refusal(**changes: Any) -> str:
    with pytest.raises(PolicyError) as refused:
        good_policy(**changes)
    return str(refused.value)


def test_a_policy_needs_no_feed() -> None:
    assert good_policy().feed is None


def test_the_feed_is_read_and_part_of_the_policy_s_digest() -> None:
    policy = good_policy(vulnerability_feed=FEED)
    assert policy.feed
    assert (policy.feed.kev, policy.feed.epss) == (["CVE-2026-1"], {"CVE-2026-2": 0.5})
    assert policy.digest != good_policy().digest


@pytest.mark.parametrize("scan", [{"refuseExploited": True}, {"maxEpss": 0.0}])
def test_what_policy_asks_of_the_feed_needs_one(scan: dict[str, Any]) -> None:
    assert "gates.yaml: it asks what is exploited" in refusal(gates=asking(**scan))
    tiers = documents()["tiers"]
    tiers["tiers"]["low"]["evidence"] = {"vulnerabilityScan": scan}
    assert "tiers.yaml: low: it asks what is exploited" in refusal(tiers=tiers)
    good_policy(gates=asking(**scan), vulnerability_feed=FEED)


def test_policy_cannot_ask_about_scores_that_were_left_out() -> None:
    cut = FEED | {"epssAtLeast": 0.2}
    assert "leaves out scores below 0.2" in refusal(
        gates=asking(maxEpss=0.1), vulnerability_feed=cut
    )
    good_policy(gates=asking(maxEpss=0.2), vulnerability_feed=cut)


@pytest.mark.parametrize(
    "bad",
    [
        {"date": None},
        {"date": "yesterday"},
        {"kev": ["CVE 1"]},
        {"kev": "CVE-2026-1"},
        {"epss": {"CVE-2026-2": 1.5}},
        {"epss": {"CVE-2026-2": "0.5"}},
        {"epssAtLeast": -1},
        {"more": []},
    ],
)
def test_a_feed_that_is_none_is_refused(bad: dict[str, Any]) -> None:
    assert refusal(vulnerability_feed=FEED | bad).startswith("vulnerability-feed.json: ")


@pytest.mark.parametrize(
    "data",
    [
        b'{"date": "2026-11-20T00:00:00Z", "kev": [], "kev": ["CVE-2026-1"]}',
        b'{"date": "2026-11-20T00:00:00Z", "epss": {"CVE-2026-1": NaN}}',
        b'{"date": "2026-11-20T00:00:00Z"} {}',
    ],
)
def test_the_feed_is_read_strictly(data: bytes) -> None:
    assert refusal(vulnerability_feed=data).startswith("vulnerability-feed.json: ")


def test_all_targets_together_fit_into_a_request_to_the_verifier() -> None:
    filler = b"#" * (200 * 1024) + b"\n"
    files = targets()
    big = {n: files[n] + filler for n in ("people.yaml", "tiers.yaml", "namespaces.yaml")}
    parse(files | {"people.yaml": big["people.yaml"]}, 1)
    with pytest.raises(PolicyError, match=f"at most {MAX_TARGETS}"):
        parse(files | big | {"freezes.yaml": files["freezes.yaml"] + filler}, 1)
