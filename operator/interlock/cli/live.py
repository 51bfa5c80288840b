"""Collections of the cluster kept current, so that a screen can follow what happens.

One thread a collection lists it and watches it. Only the newest state is kept, and changes that
come together are shown as one. An API server that goes away is said once, and asked again.
"""

import queue
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import click

from interlock.cli.exits import Refused
from interlock.cli.kubectl import Forbidden, Kubectl, Object, together

WATCH_SECONDS = 300
"""How long one watch lasts before it is begun anew; bounds what a killed command leaves behind."""
SOONEST, LATEST = 1.0, 10.0
"""Seconds between two tries to reach the API server; they double from the first to the last."""
TOGETHER = 0.05
"""Seconds within which changes are shown as one."""
BURST = 256
"""Changes that are taken in before something is shown."""
WAITING = 1024
"""Changes that may wait; a thread that has more waits itself."""
AGES = 10.0
"""Seconds after which ages are drawn anew on a terminal."""


class Source(NamedTuple):
    """A collection, and which of it."""

    path: str
    query: Mapping[str, str]


@dataclass(slots=True)
class State:
    """What is known now: objects by collection and name."""

    found: dict[str, dict[str, Object]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    """Collections that the user may not read."""
    lost: dict[str, str] = field(default_factory=dict)
    """Collections whose watch broke and was not begun anew yet, and why."""

    def of(self, source: str) -> list[Object]:
        """Return the objects of a collection, by name."""
        return [one for _, one in sorted(self.found.get(source, {}).items())]


Change = Callable[[State], None]


class _News(NamedTuple):
    source: str
    change: Change


def follow(
    kubectl: Kubectl,
    sources: Mapping[str, Source],
    draw: Callable[[State], None],
    say: Callable[[str], None],
) -> None:
    """Call `draw` at each change of the collections, until Ctrl-C; `say` once what is wrong."""
    _ = kubectl.namespace  # asked for once, not by every thread
    news: queue.Queue[_News] = queue.Queue(WAITING)
    stop = threading.Event()
    for name, source in sources.items():
        feed = threading.Thread(target=_feed, args=(kubectl, name, source, news, stop), daemon=True)
        feed.start()
    try:
        _draw_all(set(sources), news, draw, say)
    except KeyboardInterrupt:
        return
    finally:
        stop.set()
        kubectl.close()


def _draw_all(
    sources: set[str],
    news: "queue.Queue[_News]",
    draw: Callable[[State], None],
    say: Callable[[str], None],
) -> None:
    state, heard = State(), set[str]()
    while True:
        heard |= _take(news, state, say)
        if heard == sources and not state.lost:
            draw(state)


def _take(news: "queue.Queue[_News]", state: State, say: Callable[[str], None]) -> set[str]:
    """Wait for a change, take in what comes with it, and return which collections spoke."""
    heard = set()
    patience = AGES if sys.stdout.isatty() else None
    for _ in range(BURST):
        try:
            one = news.get(timeout=patience)
        except queue.Empty:
            break
        was_lost = bool(state.lost)
        one.change(state)
        if bool(state.lost) != was_lost:
            say(next(iter(state.lost.values()), ""))
        heard.add(one.source)
        patience = TOGETHER
    return heard


def _feed(
    kubectl: Kubectl,
    name: str,
    source: Source,
    news: "queue.Queue[_News]",
    stop: threading.Event,
) -> None:
    pause = SOONEST
    while not stop.is_set():
        try:
            change, version = _listed(kubectl, name, source)
            news.put(_News(name, change))
            if not version:
                return  # what may not be read may not be watched
            pause = SOONEST
            query = {**source.query, "resourceVersion": version}
            with kubectl.watch(source.path, query, WATCH_SECONDS) as events:
                for kind, one in events:
                    news.put(_News(name, _changed(name, kind, one)))
        except Forbidden:
            news.put(_News(name, _hidden(name)))
            return
        except click.ClickException as error:
            news.put(_News(name, _lost(name, error.message)))
            pause = min(2 * pause, LATEST)
        stop.wait(pause)


def read(kubectl: Kubectl, sources: Mapping[str, Source]) -> State:
    """Return the collections as they are now."""
    _ = kubectl.namespace
    state = State()
    asks = [partial(_listed, kubectl, name, source) for name, source in sources.items()]
    for change, _ in together(*asks):
        change(state)
    return state


def _listed(kubectl: Kubectl, name: str, source: Source) -> tuple[Change, str]:
    """Return what listing a collection changes, and its version; none if it may not be read."""
    try:
        found = kubectl.get(source.path, source.query)
    except Forbidden:
        return _hidden(name), ""
    if found is None:
        raise Refused(f"the API server knows no {source.path}. Are Interlock's kinds installed?")
    items = {one["metadata"]["name"]: one for one in found.get("items") or []}

    def listed(state: State) -> None:
        state.found[name] = items
        state.lost.pop(name, None)

    return listed, str(found.get("metadata", {}).get("resourceVersion", ""))


def _hidden(name: str) -> Change:
    return lambda state: state.hidden.add(name)


def _lost(name: str, why: str) -> Change:
    def lost(state: State) -> None:
        state.lost[name] = why

    return lost


def _changed(name: str, kind: str, one: Object) -> Change:
    def change(state: State) -> None:
        objects = state.found.setdefault(name, {})
        if kind == "DELETED":
            objects.pop(one["metadata"]["name"], None)
        else:
            objects[one["metadata"]["name"]] = one

    return change


class Screen:
    """Lines that are drawn again: in place on a terminal, only the changed ones elsewhere."""

    def __init__(self) -> None:
        self.in_place = sys.stdout.isatty()
        self._shown: list[str] = []

    def draw(self, lines: list[str]) -> None:
        """Show these lines instead of the last ones."""
        if not self.in_place:
            before = set(self._shown)
            self._write([line for line in lines if line not in before])
            self._shown = lines
            return
        size = shutil.get_terminal_size()
        fitting = [line[: size.columns - 1] for line in lines[: size.lines - 1]]
        back = f"\x1b[{len(self._shown)}A\x1b[J" if self._shown else ""
        click.echo(back, nl=False, color=True)
        self._write(fitting)
        self._shown = fitting

    def say(self, notice: str) -> None:
        """Say once that there is no answer and why, or with no reason that there is one again."""
        lost = f"No answer from the cluster ({notice}); asking again."
        click.echo(lost if notice else "The cluster answers again.", err=True)
        if self.in_place:
            self._shown = []  # the notice moved the cursor; begin below it

    def _write(self, lines: list[str]) -> None:
        for line in lines:
            click.echo(line)
        sys.stdout.flush()
