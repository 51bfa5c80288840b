"""A team's PromQL that would read another team's series."""

import contextlib
import random

import promql_parser
import pytest

from interlock.signals.promql import Unscoped, scoped

OURS = {("namespace", "agent-a"), ("interlock_revision", "press-1")}
BREAKOUTS = (
    "errors or other",
    "errors and other unless third",
    'errors{namespace=~".*"}',
    'errors{namespace!="agent-a"}',
    'errors{namespace="agent-b"}',
    'errors{namespace="agent-b" or namespace="agent-a"}',
    'errors{interlock_revision="press-1" or namespace="agent-b",interlock_revision="press-1"}',
    '{__name__=~".+"}',
    '{__name__="errors",namespace=~"agent-.*"}',
    '{"errors",namespace=~".*"}',
    'errors{"namespace"=~".*"}',
    'errors{namespace="agent-a"} or errors{namespace="agent-b"}',
    'errors} or other{a="b"',
    'errors{a="\\"} or other{b=\\""}',
    "errors{a='\"} or other{b=\"'}",
    'errors{a=`"} or other{b="`}',
    'errors{a="\\\\"} or other{b="c"}',
    'label_replace(other, "namespace", "agent-a", "", "")',
    'label_join(other, "namespace", "", "namespace")',
    'count_values("namespace", other)',
    "sum by (namespace) (other)",
    "errors * on () group_left (namespace) other",
    "errors * ignoring (namespace) group_right () other",
    "max_over_time(other[1h:1m])",
    "max_over_time(rate(other[5m])[1h:1m] @ end() offset 1d)",
    "other offset 1w",
    "other offset -1w",
    "other @ 0",
    "rate(other[5m] @ start())",
    "errors # } or other\n or other",
    "errors #\n{a='b'} or other",
    "errors\tor\nother",
    "topk(scalar(other), errors)",
    "quantile(scalar(other{namespace='agent-b'}), errors)",
    "absent(other)",
    "timestamp(other)",
    "sum(count by (__name__) ({__name__!=''}))",
    "ALERTS",
    "up",
    "info(errors)",
    "info(errors, {__name__='other'})",
    "-other",
    "(((other)))",
    "other == bool 1",
    "1 + other",
    "on + by",
    "sum",
    "namespace",
    "{a='b',}",
    "errors{}",
    "errors{namespace=''}",
    'errors{namespace="agent-a\\u0022} or other{b=\\u0022"}',
    'errors{a="\\x22} or other{b=\\x22"}',
    'errors{a="\\042} or other{b=\\042"}',
)


def selectors(text: str) -> list[set[tuple[str, str]]]:
    """The exact matchers of each selector, read back from what would be sent."""
    found: list[object] = []
    promql_parser.walk(promql_parser.parse(text), pre_visit=found.append)
    read = []
    for each in found:
        if isinstance(each, promql_parser.VectorSelector):
            assert not each.matchers.or_matchers
            exact = [m for m in each.matchers.matchers if m.op == promql_parser.MatchOp.Equal]
            read.append({(m.name, m.value) for m in exact})
    return read


@pytest.mark.parametrize("query", BREAKOUTS)
def test_it_reads_its_own_revision_or_nothing(query: str) -> None:
    try:
        sent = scoped(query, "agent-a", "press-1")
    except Unscoped:
        return
    assert selectors(sent)
    assert all(exact >= OURS for exact in selectors(sent))
    assert "#" not in sent


def test_mutations_of_them_do_neither() -> None:
    """Whatever pieces are put together: each selector of what is sent carries both labels."""
    seed = random.Random(4)  # noqa: S311 - the same pieces each time
    pieces = [word for query in BREAKOUTS for word in query.replace(",", " , ").split(" ")]
    sent = 0
    for _ in range(2_000):
        query = " ".join(seed.choices(pieces, k=seed.randint(1, 6)))[:1024]
        try:
            text = scoped(query, "agent-a", "press-1")
        except Unscoped:
            continue
        sent += 1
        assert all(exact >= OURS for exact in selectors(text)), query
    assert sent > 20


@pytest.mark.parametrize(
    "query",
    [
        "(" * 511 + "e" + ")" * 511,
        "-" * 1000 + "e",
        "1" + "+1" * 500 + "+e",
        "abs(" * 200 + "e" + ")" * 200,
        "e" + "[1m:]" * 200,
        'e{a=")"} + (' * 70 + "e" + ")" * 70,
        "sum(" * 250,
        "e^" * 500 + "e",
        "[" * 1000,
        '"' * 1000,
        "{" * 1000,
    ],
)
def test_the_parser_survives_depth(query: str) -> None:
    """The parser is native and recursive; this process must outlive any query."""
    with contextlib.suppress(Unscoped):
        scoped(query, "agent-a", "press-1")
