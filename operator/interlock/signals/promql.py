"""Narrows PromQL to one revision of one agent, whoever wrote the query.

A query is parsed, both labels are put into each of its selectors, and the result is parsed again
to see that they are there: what is sent to Prometheus is the parser's own text, not the author's.
What implies series that no selector names cannot be narrowed and is refused.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import promql_parser as promql

MAX_QUERY = 1024
MAX_NESTING, MAX_OPERATORS = 16, 24
"""Brackets within brackets, and operators, in labels and strings as well.

The parser is native and recursive, its walk takes time by the cube of a query's depth, and nothing
else moves meanwhile.
"""
NAMESPACE, REVISION = "namespace", "interlock_revision"
"""Labels that the scrape gives a pod's series; with `honor_labels: false` no pod can forge them."""
REFUSED = {
    "info": "it reads target_info of others",
    "vector": "it makes a value of no data",
}
"""Functions that no selector narrows, and why."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_HEAD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*|")
_OPEN, _CLOSE = "([{", ")]}"
_OPERATOR = re.compile(r"[-+*/%^=!<>~]+|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)


class Unscoped(ValueError):
    """A query that cannot be narrowed. The sentence says why and what next."""


@lru_cache(maxsize=4096)
def scoped(query: str, namespace: str, revision: str) -> str:
    """Return the query over the series of one revision's pods. Raises Unscoped."""
    _check_text(query)
    for value in (namespace, revision):
        if not _NAME.fullmatch(value):
            raise Unscoped(f"{value[:64]!r} is no Kubernetes name; nothing is asked for it.")
    labels = {NAMESPACE: namespace, REVISION: revision}
    try:
        narrowed = _narrowed(query, labels)
    except (KeyboardInterrupt, SystemExit, Unscoped):
        raise
    except BaseException as error:  # a panic of the parser is no Exception
        raise Unscoped(f"this is not PromQL: {str(error)[:120]}. Correct the query.") from None
    return narrowed


def _narrowed(query: str, labels: dict[str, str]) -> str:
    def narrow(expression: Any) -> Any:
        if not isinstance(expression, promql.VectorSelector):
            return None
        return promql.parse(_with_labels(expression, labels))

    parsed = promql.parse(query)
    _check_calls(parsed)
    text = promql.transform(parsed, post_visit=narrow).prettify()
    selectors = [each for each in _nodes(promql.parse(text)) if _is_selector(each)]
    if not selectors:
        raise Unscoped("the query reads no series; give one that measures the agent.")
    for each in selectors:
        _check_narrow(each, labels)
    return str(text)


def _with_labels(selector: Any, labels: dict[str, str]) -> str:
    if selector.matchers.or_matchers:
        raise Unscoped("`or` between labels is not PromQL as Prometheus knows it; use =~ instead.")
    text = selector.prettify()  # a name or nothing, `{…}` or nothing, then time
    match = _HEAD.match(text)
    name = match[0] if match else ""
    rest = text[len(name) :]
    ours = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{ours}," + rest[1:] if rest.startswith("{") else f"{name}{{{ours}}}{rest}"


def _check_text(query: str) -> None:
    if len(query) > MAX_QUERY:
        raise Unscoped(f"the query has {len(query)} characters, expected at most {MAX_QUERY}.")
    depth = deepest = 0
    for character in query:
        depth = max(0, depth + (character in _OPEN) - (character in _CLOSE))
        deepest = max(deepest, depth)
        if not character.isprintable() and character not in "\n\t":
            raise Unscoped("the query holds a control character; remove it.")
    # A row of signs is as many operators: `---e`.
    operators = sum(len(each) if each[0] in "+-" else 1 for each in _OPERATOR.findall(query))
    if operators > MAX_OPERATORS:
        raise Unscoped(f"the query has {operators} operators, expected at most {MAX_OPERATORS}.")
    if deepest > MAX_NESTING:
        raise Unscoped(f"the query nests {deepest} brackets, expected at most {MAX_NESTING}.")


def _check_calls(parsed: Any) -> None:
    for node in _nodes(parsed):
        if isinstance(node, promql.Call) and node.func.name in REFUSED:
            name = node.func.name
            raise Unscoped(f"the query calls {name}(): {REFUSED[name]}. Write it without.")


def _check_narrow(selector: Any, labels: dict[str, str]) -> None:
    exact = {
        (each.name, each.value)
        for each in selector.matchers.matchers
        if each.op == promql.MatchOp.Equal
    }
    if selector.matchers.or_matchers or not exact.issuperset(labels.items()):
        raise Unscoped("the query cannot be narrowed to the agent; write a simpler one.")


def _is_selector(node: Any) -> bool:
    return isinstance(node, promql.VectorSelector)


def _nodes(parsed: Any) -> Iterator[Any]:
    found: list[Any] = []
    promql.walk(parsed, pre_visit=found.append)
    return iter(found)
