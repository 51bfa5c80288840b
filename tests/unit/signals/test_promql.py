"""PromQL is narrowed to one revision of one agent."""

import promql_parser
import pytest

from interlock.signals.promql import MAX_QUERY, Unscoped, scoped

OURS = 'interlock_revision="press-1",namespace="agent-a"'


def narrow(query: str) -> str:
    return scoped(query, "agent-a", "press-1")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("errors", f"errors{{{OURS}}}"),
        ('errors{a="b"}', f'errors{{a="b",{OURS}}}'),
        ("rate(errors[5m])", f"rate(errors{{{OURS}}}[5m])"),
        ("rate(errors[5m] offset 1h)", f"rate(errors{{{OURS}}}[5m] offset 1h)"),
        ("time() - errors", f"time() - errors{{{OURS}}}"),
        ("-errors", f"-errors{{{OURS}}}"),
        ('errors{code=~"\\\\d+"}', f'errors{{code=~"\\\\d+",{OURS}}}'),
        ("sum(a) / sum(b)", f"sum(a{{{OURS}}}) / sum(b{{{OURS}}})"),
    ],
)
def test_every_selector_gets_both_labels(query: str, expected: str) -> None:
    assert promql_parser.parse(narrow(query)).prettify() == narrow(query)
    assert narrow(query).split() == expected.split()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("errors{", "not PromQL"),
        ("1", "reads no series"),
        ('"text"', "reads no series"),
        ("errors or vector(0)", "calls vector()"),
        ("e" * (MAX_QUERY + 1), "expected at most 1024"),
        ("errors\x00", "control character"),
        ("(" * 17 + "e" + ")" * 17, "nests 17 brackets"),
        ("e" + " + e" * 25, "has 25 operators"),
        ("-" * 25 + "e", "has 25 operators"),
    ],
)
def test_what_cannot_be_narrowed_is_refused(query: str, why: str) -> None:
    with pytest.raises(Unscoped, match=why.replace("(", r"\(").replace(")", r"\)")):
        narrow(query)


@pytest.mark.parametrize("value", ['a"', "a\\", "", "a}", "A", "a\n", "a" * 300])
def test_only_a_kubernetes_name_is_put_into_a_query(value: str) -> None:
    with pytest.raises(Unscoped, match="no Kubernetes name"):
        scoped("errors", "agent-a", value)


def test_a_panic_of_the_parser_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As pyo3 raises it: no Exception."""

    def panics(_: str) -> None:
        raise Panic("internal error")

    monkeypatch.setattr(promql_parser, "parse", panics)
    with pytest.raises(Unscoped, match="internal error"):
        narrow("panicking")
