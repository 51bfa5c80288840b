"""An exception is one finding's, in one image, by two people, for a month at most."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from interlock.policy.exceptions import Allowance
from interlock.policy.parse import PolicyError
from support.facts import IMAGE, NOW, at, finding
from support.policies import allowance, good_policy

MOMENT = datetime.fromisoformat(NOW)


def exceptions(**changes: Any) -> dict[str, Any]:
    return {"roles": ["quality"], "exceptions": [allowance(**changes)]}


def known(**changes: Any) -> Allowance:
    (found,) = good_policy(exceptions=exceptions(**changes)).exceptions.exceptions
    return found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"author": "nobody"}, "nobody is nobody with a role"),
        ({"approver": "nobody"}, "nobody is nobody with a role"),
        ({"author": "quality-1"}, "approves an exception of their own"),
        ({"approver": "sre-1"}, "sre-1 has no role that may approve exceptions (quality)"),
        ({"expires": "2026-12-15T12:00:01Z"}, "at most 30 days"),
        ({"created": at(NOW, days=3), "expires": at(NOW, days=2)}, "at most 30 days"),
        ({"created": at(NOW), "expires": at(NOW)}, "lasts 0 hours"),
        ({"justification": "we are late"}, "justification"),
        ({"purl": "pkg:deb/debian/*"}, "purl"),
        ({"purl": "pkg:deb"}, "purl"),
        ({"purl": "pkg:deb/debian/libfoo?arch=amd64"}, "purl"),
        ({"image": "registry.example/a:1"}, "image"),
        ({"reason": ""}, "reason"),
        ({"reason": "r" * 1025}, "reason"),
        ({"purl": f"pkg:deb/{'p' * 505}"}, "purl"),
        ({"vulnerability": "CVE-*"}, "vulnerability"),
    ],
)
def test_an_exception_that_is_none_is_refused_before_it_is_signed(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        good_policy(exceptions=exceptions(**changes))
    assert str(refused.value).startswith("exceptions.yaml: ")
    assert said in str(refused.value)


@pytest.mark.parametrize("part", list(allowance()))
def test_no_part_of_an_exception_can_be_left_out(part: str) -> None:
    whole = exceptions()
    del whole["exceptions"][0][part]
    with pytest.raises(PolicyError, match=part):
        good_policy(exceptions=whole)


def test_the_longest_and_the_shortest_that_are_taken() -> None:
    assert known(reason="r" * 1024, purl=f"pkg:deb/{'p' * 504}")
    assert known(reason="r").reason == "r"


def test_without_a_role_that_may_nobody_approves_an_exception() -> None:
    with pytest.raises(PolicyError, match="none: roles is empty"):
        good_policy(exceptions=exceptions() | {"roles": []})


def test_a_person_without_any_role_is_nobody_here() -> None:
    people: Any = {"people": [{"id": "quality-1", "roles": ["quality"]}, {"id": "x", "roles": []}]}
    tiers: Any = {"tiers": {"high": {"gates": []}}}
    with pytest.raises(PolicyError, match="x is nobody with a role"):
        good_policy(exceptions=exceptions(author="x"), people=people, tiers=tiers, namespaces={})


@pytest.mark.parametrize(
    ("purl", "covered"),
    [
        ("pkg:deb/debian/libfoo", True),
        ("pkg:deb/debian/libfoo@1.0.2", True),
        ("pkg:deb/debian/libfoo@1.0", False),
        ("pkg:deb/debian/libfo", False),
        ("pkg:deb/ubuntu/libfoo", False),
        ("pkg:deb/debian", False),
    ],
)
def test_it_names_a_package_or_one_version_of_it(purl: str, covered: bool) -> None:
    assert known(purl=purl).about(finding(), IMAGE) is covered


@pytest.mark.parametrize(
    ("purl", "covered"),
    [
        ("pkg:npm/%40scope/libfoo@2", True),
        ("pkg:npm/@scope/libfoo@2", False),
        ("pkg:npm/%40scope/libfoo", True),
        ("pkg:npm/%40scope/libfoo@2#sub?arch=x", True),
        ("", False),
    ],
)
def test_what_the_scanner_names_is_compared_without_qualifiers(purl: str, covered: bool) -> None:
    exception = known(purl="pkg:npm/%40scope/libfoo")
    assert exception.about(finding(purl=purl), IMAGE) is covered


def test_a_version_is_not_the_beginning_of_another() -> None:
    exception = known(purl="pkg:deb/debian/libfoo@1")
    assert not exception.about(finding(purl="pkg:deb/debian/libfoo@1@2"), IMAGE)


def test_it_is_about_one_vulnerability_in_one_image() -> None:
    assert known().about(finding(), IMAGE)
    assert not known().about(finding(id="CVE-2026-1235"), IMAGE)
    assert not known().about(finding(), "00" * 32)


def test_it_is_in_force_from_its_first_moment_until_before_its_last() -> None:
    exception = known(created=NOW, expires=at(NOW, days=30))
    assert exception.in_force(MOMENT)
    assert not exception.in_force(MOMENT - timedelta(seconds=1))
    assert exception.in_force(MOMENT + timedelta(days=30, seconds=-1))
    assert not exception.in_force(MOMENT + timedelta(days=30))
