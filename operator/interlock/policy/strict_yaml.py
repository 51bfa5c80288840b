"""Reads YAML with one meaning only: the plain tree that a reviewer sees, and nothing else.

YAML can refer back, make types, merge, and turn `no` into false; each of these made two readers
of one file disagree somewhere. Here only mappings with string keys, lists and scalars of the
YAML 1.2 core schema are read; timestamps, `yes` and `on` stay strings.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator

import yaml

from interlock.policy.strict_text import (
    MAX_DEPTH,
    StrictError,
    check_integer,
    check_string,
    decode,
)

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_BOOLEANS["FALSE"] = False
_INTEGER = re.compile(r"[-+]?[0-9]{1,32}|0o[0-7]{1,32}|0x[0-9a-fA-F]{1,32}")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,32}|[0-9]{1,32}(\.[0-9]{0,32})?)([eE][-+]?[0-9]{1,4})?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def load(data: bytes, *, limit: int, values: int | None = None) -> object:
    """Return the value of one YAML document of at most `limit` bytes; None where it is empty.

    `values` is how many keys, scalars, lists and mappings it may have. Raises StrictError.
    """
    text = decode(data, limit=limit)
    try:
        return _document(_counted(yaml.parse(text, Loader=yaml.CSafeLoader), values))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise StrictError(
            f"line {line}: this is not YAML: {error.problem}{_begun(error)}"
        ) from None
    except yaml.YAMLError as error:
        raise StrictError(f"this is not YAML: {error}") from None


def _counted(events: Iterator[yaml.Event], most: int | None) -> Iterator[yaml.Event]:
    """Yield the events as they are parsed, and no more of them than is worth the time."""
    count = 0
    for event in events:
        count += isinstance(event, yaml.NodeEvent)
        if most is not None and count > most:
            raise StrictError(
                f"it has more than {most} values; keep large texts in one string each"
            )
        yield event


def _begun(error: yaml.MarkedYAMLError) -> str:
    """Say in which line that began which does not go on well; it may be the one to mend."""
    begun, met = error.context_mark, error.problem_mark
    if begun is None or met is None or begun.line == met.line:
        return ""
    return f" {error.context} from line {begun.line + 1} on"


def line_of(data: bytes, place: Iterable[int | str]) -> int:
    """Return the line of what lies at `place` in a document that `load` has read.

    A part of `place` that is not written there ends the way: the line of what is around it.
    """
    node, line = yaml.compose(data.decode(), Loader=yaml.CSafeLoader), 1
    for part in place:
        child = next((pair for name, *pair in _children(node) if name == part), None)
        if child is None:
            break
        mark, node = child
        line = mark.start_mark.line + 1
    return line


def _children(node: yaml.Node | None) -> Iterator[tuple[int | str, yaml.Node, yaml.Node]]:
    """Yield each child with its name and the node that begins it."""
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, key, value) for key, value in node.value)
    if isinstance(node, yaml.SequenceNode):
        yield from ((number, value, value) for number, value in enumerate(node.value))


def _document(events: Iterator[yaml.Event]) -> object:
    value: object = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _refused(event, "a second document begins; keep one document in a file")
            if event.version or event.tags:
                raise _refused(event, "a % directive is not allowed; remove it")
            value = _node(next(events), events, 0)
    return value


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> object:
    _check_plain(event, depth)
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        return list(_items(events, depth, yaml.SequenceEndEvent))
    return _mapping(events, depth)


def _items(events: Iterator[yaml.Event], depth: int, end: type[yaml.Event]) -> Iterator[object]:
    for event in events:
        if isinstance(event, end):
            return
        yield _node(event, events, depth + 1)


def _mapping(events: Iterator[yaml.Event], depth: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        key = _node(event, events, depth + 1)
        if not isinstance(key, str):
            raise _refused(event, f"the key {str(key)[:64]!r} is not a string; put it in quotes")
        if key in found:
            raise _refused(event, f"the key {key[:64]!r} occurs twice in one mapping; remove one")
        found[key] = _node(next(events), events, depth + 1)
    return found


def _check_plain(event: yaml.Event, depth: int) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, f"the alias *{event.anchor} is not allowed; write the value out")
    if depth >= MAX_DEPTH and not isinstance(event, yaml.ScalarEvent):
        raise _refused(event, f"lists and mappings lie more than {MAX_DEPTH} deep in one another")
    if getattr(event, "anchor", None):
        raise _refused(event, "an anchor is not allowed; remove it")
    if getattr(event, "tag", None):
        raise _refused(event, "a tag is not allowed; remove it")


def _scalar(event: yaml.ScalarEvent) -> object:
    text: str = event.value
    where = _line(event)
    check_string(text, where)
    plain: bool = event.implicit[0]
    if not plain:
        return text
    for pattern, read in _READERS:
        if pattern.fullmatch(text):
            return read(text, where)
    return None if text in _NULLS else _BOOLEANS.get(text, text)


def _zero(text: str, where: str) -> object:
    raise StrictError(f"{where}: {text[:64]} may mean two numbers; drop the zero, or use quotes")


def _infinite(text: str, where: str) -> object:
    raise StrictError(f"{where}: {text} is not a number that is allowed here")


def _integer(text: str, where: str) -> object:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return check_integer(int(text, base), where)


def _float(text: str, where: str) -> object:
    value = float(text)
    return value if math.isfinite(value) else _infinite(text, where)


_READERS: tuple[tuple[re.Pattern[str], Callable[[str, str], object]], ...] = (
    (_LEADING_ZERO, _zero),
    (_INTEGER, _integer),
    (_FLOAT, _float),
    (_NOT_FINITE, _infinite),
)


def _refused(event: yaml.Event, sentence: str) -> StrictError:
    return StrictError(f"{_line(event)}: {sentence}")


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1 if event.start_mark else 1}"
