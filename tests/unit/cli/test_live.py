"""Watching keeps the newest state, says once what is wrong, and stops when it is told to."""

import itertools
import queue
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from interlock.cli import live
from interlock.cli.exits import Failed
from interlock.cli.kubectl import Forbidden, Object
from interlock.cli.live import Screen, Source, State, follow

SOURCE = {"agents": Source("/agents", {})}


class Cluster:
    """Answers lists and watches from scripts; the last watch asks the person to press Ctrl-C."""

    namespace = "line-4"

    def __init__(self, lists: list[Any], watches: list[list[tuple[str, Object]]]) -> None:
        self._lists = iter(lists)
        self._watches = iter(watches)
        self.closed = False
        self.silence: queue.Queue[None] = queue.Queue()

    def get(self, path: str, query: Mapping[str, str]) -> Object:
        found = next(self._lists)
        if isinstance(found, Exception):
            raise found
        return {"items": found, "metadata": {"resourceVersion": "7"}}

    @contextmanager
    def watch(
        self, path: str, query: Mapping[str, str], seconds: int
    ) -> Iterator[Iterator[tuple[str, Object]]]:
        assert query["resourceVersion"] == "7"
        found = next(self._watches, None)
        yield iter(found) if found is not None else self._forever()

    def close(self) -> None:
        self.closed = True
        self.silence.put(None)

    def _forever(self) -> Iterator[tuple[str, Object]]:
        self.silence.get()
        yield from ()


def one(name: str, version: int = 1) -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version)}, "version": version}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SOONEST", 0.001)
    monkeypatch.setattr(live, "LATEST", 0.001)
    monkeypatch.setattr(live, "TOGETHER", 0.001)


def shown(cluster: Cluster, until: Any) -> tuple[list[list[Object]], list[str]]:
    """What was drawn and said until the last drawing fits; then somebody presses Ctrl-C."""
    drawn: list[list[Object]] = []
    said: list[str] = []

    def draw(state: State) -> None:
        drawn.append(state.of("agents"))
        if until(drawn[-1]):
            raise KeyboardInterrupt

    follow(cluster, SOURCE, draw, said.append)  # type: ignore[arg-type]
    assert cluster.closed
    return drawn, said


def test_changes_replace_what_was_and_deletions_remove_it() -> None:
    events = [("ADDED", one("b")), ("MODIFIED", one("a", 2)), ("DELETED", one("b"))]
    cluster = Cluster([[one("a")], [one("a", 2)]], [events])
    drawn, said = shown(cluster, lambda agents: agents == [one("a", 2)])
    assert drawn[-1] == [one("a", 2)]
    assert said == []


def test_a_cluster_that_goes_away_is_said_once_and_asked_again() -> None:
    away = Failed("connection refused")
    cluster = Cluster([[one("a")], away, away, away, [one("a", 2)]], [[]])
    _, said = shown(cluster, lambda agents: agents == [one("a", 2)])
    assert said == ["connection refused", ""]


def test_what_may_not_be_read_is_not_asked_again() -> None:
    lists = itertools.chain([Forbidden("no")], iter(lambda: pytest.fail("asked again"), 1))
    cluster = Cluster([], [])
    cluster._lists = lists
    drawn, said = shown(cluster, lambda agents: agents == [])
    assert (drawn, said) == ([[]], [])


def test_only_changed_lines_are_added_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()
    screen.draw(["one", "two"])
    screen.draw(["one", "three"])
    assert capsys.readouterr().out.splitlines() == ["one", "two", "three"]


def test_a_terminal_is_drawn_in_place_and_never_past_its_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("LINES", "3")
    screen = Screen()
    screen.in_place = True
    screen.draw(["a" * 20, "b", "c"])
    screen.draw(["d"])
    first, _, second = capsys.readouterr().out.partition("\x1b[2A\x1b[J")
    assert first == "a" * 9 + "\nb\n"
    assert second == "d\n"
