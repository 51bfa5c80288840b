"""What an approval replaces, as the cluster's records say it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interlock.cli import ground, served
from interlock.cli.ground import Running
from interlock.cli.served import Served
from interlock.cli.usergit import Clone
from interlock.cluster.cache import Cache
from interlock.decide import view
from support.world import World, spec_of


def look(world: World, digest: str, monkeypatch: pytest.MonkeyPatch) -> Served:
    """What an approver of this content is told."""
    monkeypatch.setattr(ground, "running", lambda *_: Running(Cache(), world.seen))
    agent: Any = SimpleNamespace(namespace="lab", name=world.name, digest=digest)
    nobody: Any = None
    return served.serving(nobody, "", agent, "", nobody)


def serving(world: World) -> str:
    known = view.serving(world.seen)
    return known.digest if known else ""


def test_nothing_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(World(), "ab" * 32, monkeypatch) == Served("", None, "")


def test_what_serves_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World().promote("a")
    found = look(world, "ab" * 32, monkeypatch)
    assert found.digest == serving(world)
    assert found.spec == spec_of("a").dump()
    assert found.since is None  # no decision records which commit brought it


def test_what_was_let_in_by_break_glass_is_approved_as_the_successor_of_what_it_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or nobody could ratify it: it would be what serves already."""
    world = World().promote("a")
    before = serving(world)
    world.unapproved.add("b")
    world.want(spec_of("b"))
    world.settle()
    world.break_glass("ann")
    world.settle()
    now = serving(world)
    assert now != before
    assert look(world, now, monkeypatch).digest == before
    assert look(world, "ab" * 32, monkeypatch).digest == now


def test_a_path_that_is_no_repository(tmp_path: Path) -> None:
    assert Clone.around(tmp_path / "not" / "there" / "file.yaml") is None
