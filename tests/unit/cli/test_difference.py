"""An approver sees every field that changes: what is hidden could be approved unseen."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from interlock.api import digests
from interlock.cli.difference import Change, changes, summary
from support.facts import NAME, spec
from support.policies import NAMESPACE


def test_a_changed_leaf_is_named_by_its_path() -> None:
    old, new = spec(), spec(env={"LOG_LEVEL": "debug"})
    assert changes(old, new) == [Change("env.LOG_LEVEL", "", "debug")]


def test_entries_are_compared_by_name_so_that_order_is_no_change() -> None:
    one = {"name": "a", "version": "1"}, {"name": "b", "version": "2"}
    assert changes({"prompts": list(one)}, {"prompts": list(reversed(one))}) == []


def test_entries_that_share_a_name_hide_nothing() -> None:
    old = {"health": {"metrics": [{"name": "m", "max": 1}, {"name": "m", "max": 2}]}}
    new = {"health": {"metrics": [{"name": "m", "max": 9}, {"name": "m", "max": 2}]}}
    assert changes(old, new) == [Change("health.metrics[0].max", "1", "9")]


def test_an_empty_mapping_is_a_change() -> None:
    assert changes({}, {"fallback": {}}) == [Change("fallback", "", "{}")]


def test_an_empty_string_is_a_change() -> None:
    assert changes({}, {"env": {"X": ""}}) == [Change("env.X", "", '""')]


def test_what_is_not_content_is_no_change() -> None:
    assert changes({"replicas": 1}, {"replicas": 9}) == []


def test_nothing_before_shows_everything() -> None:
    assert Change("riskTier", "", "high") in changes(None, spec())


def test_a_summary_says_versions() -> None:
    old = spec()
    model = old["model"] | {"version": "13"}
    new = spec(model=model, image=old["image"].replace("1.4.2", "1.5.0"), port=9090)
    assert summary(old, new) == "image 1.4.2 → 1.5.0, model 12 → 13, port"


_values = st.recursive(
    st.text("xy", max_size=2) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_specs = st.dictionaries(st.sampled_from(["env", "tools", "fallback", "health"]), _values)


@given(_specs, _specs)
def test_two_contents_that_differ_show_a_difference_unless_order_alone_changed(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    same = digests.content(NAMESPACE, NAME, old) == digests.content(NAMESPACE, NAME, new)
    if not changes(old, new):  # the property by which approvers are not deceived
        assert same or _sorted(old) == _sorted(new)


def _sorted(value: Any) -> Any:
    """The value with entries in one order, and leaves as an approver reads them."""
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=str)
    return value
