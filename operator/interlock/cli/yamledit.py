"""Changes single values in a YAML file and leaves every other byte as its author wrote it.

A pin is a small edit of a file that people review: comments, order, quotes and line ends stay, so
that the pull request shows the digest and nothing else. Each edit is checked by reading the result.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from interlock.policy import strict_yaml

LIMIT = 256 * 1024
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9@:/._-]*[A-Za-z0-9]")
_NUMBER = re.compile(r"[0-9.]+")
_QUOTE = '"'
Step = str | int
Path = tuple[Step, ...]


class CannotEdit(ValueError):
    """A value that stands in a form which is not edited; the message says where."""


class Edit(NamedTuple):
    """Give the key at the end of `path` a value; where it is missing it comes after `after`."""

    path: Path
    value: str
    after: str = ""
    rename: str = ""
    """What the key is called from now on; its own name where empty."""


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the file with all edits made. Raises CannotEdit."""
    for edit in edits:
        data = _applied(data, edit)
    return data


def _applied(data: bytes, edit: Edit) -> bytes:
    text = data.decode()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    parent = _find(root, edit.path[:-1])
    key = str(edit.path[-1])
    found = _pair(parent, key)
    changed = _replaced(text, found, edit) if found else _inserted(text, parent, key, edit)
    result = changed.encode()
    if strict_yaml.load(result, limit=LIMIT) != _expected(data, edit):
        raise CannotEdit(f"{_shown(edit.path)} is written in a form that pin does not edit")
    return result


def _replaced(text: str, found: tuple[yaml.Node, yaml.Node], edit: Edit) -> str:
    key, value = found
    if not isinstance(value, yaml.ScalarNode) or value.style in ("|", ">"):
        raise CannotEdit(f"{_shown(edit.path)} is no value on one line; write it on one")
    start, end = value.start_mark.index, value.end_mark.index
    text = text[:start] + _scalar(edit.value, value.style) + text[end:]
    if edit.rename:
        text = text[: key.start_mark.index] + edit.rename + text[key.end_mark.index :]
    return text


def _inserted(text: str, parent: yaml.MappingNode, key: str, edit: Edit) -> str:
    found = _pair(parent, edit.after)
    if found is None:
        raise CannotEdit(f"{_shown((*edit.path[:-1], edit.after))} is missing")
    sibling, value = found
    end = value.end_mark.index
    written = f"{key}: {_scalar(edit.value, _QUOTE)}"
    if parent.flow_style:
        return f"{text[:end]}, {written}{text[end:]}"
    # After the whole line, so that a comment stays with the value that it is about.
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    line, rest = text[:line_end], text[line_end:]
    newline = "\r\n" if line.endswith("\r") else "\n"
    indent = " " * sibling.start_mark.column
    return f"{line.removesuffix(chr(13))}{newline}{indent}{written}{newline[:-1]}{rest}"


def _expected(data: bytes, edit: Edit) -> object:
    """Return what the file must say afterwards."""
    document = strict_yaml.load(data, limit=LIMIT)
    parent: Any = document
    for step in edit.path[:-1]:
        parent = parent[step]
    key = str(edit.path[-1])
    if edit.rename:
        parent.pop(key)
    parent[edit.rename or key] = edit.value
    return document


def _find(node: yaml.Node | None, path: Path) -> yaml.MappingNode:
    for step in path:
        if isinstance(step, int) and isinstance(node, yaml.SequenceNode):
            node = node.value[step]
        else:
            pair = _pair(node, str(step))
            node = pair[1] if pair else None
    if not isinstance(node, yaml.MappingNode):
        raise CannotEdit(f"{_shown(path)} is no mapping")
    return node


def _pair(node: yaml.Node | None, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((k, v) for k, v in node.value if k.value == key), None)


def _scalar(value: str, style: str | None) -> str:
    """Return a value in the quotes that stood there; what could be a number gets quotes."""
    plain = style is None and _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value)
    quote = "" if plain else style or '"'
    return f"{quote}{value}{quote}"


def _shown(path: Path) -> str:
    return ".".join(str(step) for step in path)
