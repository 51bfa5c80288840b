"""`diff` compares what people wrote and what Kubernetes gets, and names no revision by guess."""

from typing import Any

import pytest

from interlock.cli.diff import chosen, rendered, told
from interlock.cli.difference import changes
from interlock.cli.exits import Refused
from support.facts import spec

OLD, NEW = "9f3c51b6e0".ljust(64, "0"), "a71e0c93d2".ljust(64, "0")
AGENT = {"metadata": {"name": "press"}, "status": {"serving": OLD[:10], "candidate": "-"}}


def revision(digest: str, image: str = "a", **content: Any) -> dict[str, Any]:
    name = f"press-{digest[:10]}"
    pod = {"labels": {"interlock.dev/revision": name}, "image": image}
    objects = [{"kind": "Deployment", "metadata": {"name": name}, "spec": pod}]
    body = {"digest": digest, "content": spec(**content), "objects": objects}
    return {"metadata": {"name": name}, "spec": body}


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    fields = changes(before["spec"]["content"], after["spec"]["content"])
    return list(told(before, after, fields, list(rendered(before, after))))


def test_content_comes_first_and_then_the_objects() -> None:
    lines = difference(revision(OLD, "a", port=80), revision(NEW, "b", port=81))
    assert lines[0] == "  port  80 → 81"
    assert lines[2] == "--- 9f3c51b6e0 Deployment/<revision>"
    assert "-  image: a" in lines
    assert "+  image: b" in lines


def test_a_revisions_own_name_is_no_difference() -> None:
    lines = difference(revision(OLD), revision(NEW))
    assert lines == ["9f3c51b6e0 and a71e0c93d2 have the same content."]


def test_an_object_that_only_one_has_is_shown_whole() -> None:
    after = revision(NEW)
    after["spec"]["objects"].append({"kind": "NetworkPolicy", "metadata": {"name": "edge\x1b"}})
    (change,) = rendered(revision(OLD), after)
    assert change.object == "NetworkPolicy/edge\x1b"
    assert "+kind: NetworkPolicy" in change.lines
    assert "\x1b" not in "\n".join(change.lines)


@pytest.mark.parametrize("word", ["serving", "9f3c5", OLD])
def test_a_revision_is_named_by_role_or_by_digits(word: str) -> None:
    found = [revision(OLD), revision(NEW)]
    assert chosen(word, AGENT, found) is found[0]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("candidate", "press has no candidate revision now"),
        ("", "names 0 revisions of press"),
        ("zz", "'zz' names 0 revisions of press, expected one. There are: 9f3c51b6e0, a71e0c93d2"),
    ],
)
def test_a_word_that_names_none_is_refused_with_those_that_there_are(word: str, said: str) -> None:
    with pytest.raises(Refused, match="revision") as refused:
        chosen(word, AGENT, [revision(OLD), revision(NEW)])
    assert said in refused.value.message


def test_digits_that_name_two_are_refused() -> None:
    twin = revision("9f3c51b6e1".ljust(64, "0"))
    with pytest.raises(Refused, match="names 2 revisions"):
        chosen("9f3c", AGENT, [revision(OLD), twin])
