"""A pin changes one value of a file and no other byte."""

import pytest

from interlock.cli.yamledit import CannotEdit, Edit, apply
from interlock.policy import strict_yaml

BLOCK = b"""\
# The press scheduler.
spec:
  image: registry.example/agents/press:1.4.2   # bumped
  model:
    name: press
    version: "12"   # champion of November
    volume: 'registry.example/models/press:12'
  prompts:
  - name: system
    version: "3"
  - {name: user, version: "1"}
"""
DIGEST = f"sha256:{'ab' * 32}"
IMAGE = f"registry.example/agents/press:1.4.2@{DIGEST}"


def one(data: bytes, edit: Edit) -> str:
    return apply(data, [edit]).decode()


def test_a_value_is_replaced_and_its_comment_stays() -> None:
    text = one(BLOCK, Edit(("spec", "image"), IMAGE))
    assert f"  image: {IMAGE}   # bumped\n" in text
    assert text.replace(f"@{DIGEST}", "") == BLOCK.decode()


def test_quotes_stay_as_they_were() -> None:
    value = f"registry.example/models/press@{DIGEST}"
    assert f"volume: '{value}'\n" in one(BLOCK, Edit(("spec", "model", "volume"), value))


def test_a_missing_key_comes_after_its_sibling_and_the_siblings_comment() -> None:
    text = one(BLOCK, Edit(("spec", "model", "tree"), DIGEST, after="version"))
    assert f'    version: "12"   # champion of November\n    tree: "{DIGEST}"\n' in text


def test_a_missing_key_of_a_list_entry_is_indented_as_the_entry() -> None:
    text = one(BLOCK, Edit(("spec", "prompts", 0, "digest"), DIGEST, after="version"))
    assert f'    version: "3"\n    digest: "{DIGEST}"\n  - {{' in text


def test_a_flow_mapping_stays_on_its_line() -> None:
    text = one(BLOCK, Edit(("spec", "prompts", 1, "digest"), DIGEST, after="version"))
    assert f'  - {{name: user, version: "1", digest: "{DIGEST}"}}\n' in text


def test_the_last_line_without_a_newline_is_continued() -> None:
    data = b"spec:\n  model:\n    version: '1'"
    text = one(data, Edit(("spec", "model", "tree"), DIGEST, after="version"))
    assert text == f"spec:\n  model:\n    version: '1'\n    tree: \"{DIGEST}\""


def test_line_ends_of_windows_stay() -> None:
    data = BLOCK.replace(b"\n", b"\r\n")
    text = one(data, Edit(("spec", "model", "tree"), DIGEST, after="version"))
    assert text.count("\r\n") == text.count("\n") == BLOCK.count(b"\n") + 1


def test_an_alias_becomes_a_version_that_is_no_number() -> None:
    data = b"spec:\n  model: {name: press, alias: champion}\n"
    text = one(data, Edit(("spec", "model", "alias"), "12", rename="version"))
    assert text == 'spec:\n  model: {name: press, version: "12"}\n'


def test_letters_beyond_ascii_do_not_move_the_place() -> None:
    data = "# Prüfstück ☃ \U0001f512\nspec:\n  note: schön\n  image: a/b:1\n".encode()
    assert one(data, Edit(("spec", "image"), IMAGE)).endswith(f"note: schön\n  image: {IMAGE}\n")


def test_several_edits_are_made_on_one_another() -> None:
    edits = [
        Edit(("spec", "image"), IMAGE),
        Edit(("spec", "model", "tree"), DIGEST, after="version"),
        Edit(("spec", "prompts", 1, "digest"), DIGEST, after="version"),
    ]
    document = strict_yaml.load(apply(BLOCK, edits), limit=65536)
    assert isinstance(document, dict)
    assert document["spec"]["image"] == IMAGE
    assert document["spec"]["model"]["tree"] == DIGEST
    assert document["spec"]["prompts"][1]["digest"] == DIGEST


@pytest.mark.parametrize(
    "data", [b"spec:\n  image: |\n    a/b:1\n", b"spec:\n  image: >-\n    a/b:1\n"]
)
def test_a_block_scalar_is_refused_by_its_place(data: bytes) -> None:
    with pytest.raises(CannotEdit, match=r"spec\.image"):
        one(data, Edit(("spec", "image"), IMAGE))


def test_a_sibling_that_is_missing_is_named() -> None:
    with pytest.raises(CannotEdit, match=r"spec\.model\.digest is missing"):
        one(BLOCK, Edit(("spec", "model", "tree"), DIGEST, after="digest"))
