"""Rows, the table for people, and the JSON object that every benchmark prints as its last line."""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

PEER = "Argo Rollouts 1.10.1"
KUBERNETES = "1.37.1"
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
RATE = "agents/s"
COLUMNS = ("measure", "n", "unit", "p50", "p99", "max", "value", "peer", "ratio", "floor")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure at one size.

    `ratio` is our time (or memory) divided by the peer's: below 1 is better, for rates too.
    """

    measure: str
    n: int
    unit: str
    times: Sequence[float] = ()
    """Of single runs; what does not come in runs has a `value`."""
    value: float | None = None
    peer: float | None = None
    """The peer's median, or its value."""
    floor: float | None = None
    """What a bare script took for the same writes in the same run."""

    def at(self, share: float) -> float:
        """The time that this share of the runs did not exceed (nearest rank)."""
        ordered = sorted(self.times)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    def as_json(self) -> dict[str, Any]:
        """The row as all benchmarks print it; what does not apply is left out."""
        shares = {"p50": 0.5, "p99": 0.99, "max": 1.0} if self.times else {}
        found: dict[str, Any] = {name: self.at(share) for name, share in shares.items()}
        ours = found.get("p50", self.value)
        found |= {"value": self.value, "peer": self.peer, "floor": self.floor}
        if ours and self.peer:
            found["ratio"] = self.peer / ours if self.unit == RATE else ours / self.peer
        rounded = {name: _rounded(number) for name, number in found.items() if number is not None}
        return {"measure": self.measure, "n": self.n, "unit": self.unit} | rounded


def median(times: Sequence[float]) -> float:
    """The time that half of the runs did not exceed."""
    return Row("", 0, "", times).at(0.5)


def parser(about: str | None) -> argparse.ArgumentParser:
    """A parser with what all benchmarks take."""
    made = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--json", action="store_true", help="one JSON object as the last line")
    made.add_argument("--record", action="store_true", help=f"write the figures into {PAGE.name}")
    made.add_argument("--no-peer", action="store_true", help=f"leave {PEER} out")
    return made


def sizes(text: str) -> tuple[int, ...]:
    """Numbers of agents, as `1,200`; nothing for an empty string."""
    return tuple(int(part) for part in text.split(",") if part)


def report(name: str, rows: Sequence[Row], notes: Sequence[str], given: argparse.Namespace) -> None:
    """Print the table; where asked, write it into the page, and print the JSON object."""
    found = [row.as_json() for row in rows]
    about = {"name": name, "machine": machine(), "versions": versions()}
    said = (machine(), ", ".join(f"{k} {v}" for k, v in versions().items()), *notes)
    print("\n".join(said), end="\n\n")
    print("\n".join(_table(found, "  ")))
    if given.record:
        _record(name, said, found)
    if given.json:
        print(json.dumps(about | {"notes": list(notes), "rows": found}))


def say(text: str) -> None:
    """Tell a person how far it is."""
    print(f"  {text}", file=sys.stderr, flush=True)


@contextmanager
def stage(text: str) -> Iterator[None]:
    """Tell what was done and how long it took."""
    started = time.monotonic()
    yield
    say(f"{text}: {time.monotonic() - started:.1f} s")


def machine() -> str:
    """What it ran on, and how busy that was."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    name = model or platform.machine()
    return f"{name}, {os.cpu_count()} CPUs, {memory:.0f} GiB, load {load:.1f} at the end"


def versions() -> dict[str, str]:
    """What ran."""
    python = platform.python_version()
    ours = {"interlock": version("interlock"), "python": python, "kopf": version("kopf")}
    return ours | {"kubernetes": KUBERNETES, "peer": PEER}


def _table(rows: Sequence[Mapping[str, Any]], between: str) -> list[str]:
    shown = [COLUMNS, *([str(row.get(name, "-")) for name in COLUMNS] for row in rows)]
    widths = [max(len(line[place]) for line in shown) for place in range(len(COLUMNS))]
    padded = [[cell.ljust(w) for cell, w in zip(line, widths, strict=True)] for line in shown]
    return [between.join(line).rstrip() for line in padded]


def _record(name: str, said: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a section of the page by what was just measured, with the command that did it."""
    head, *lines = (f"| {line} |" for line in _table(rows, " | "))
    command = " ".join((Path(sys.argv[0]).name, *sys.argv[1:]))
    text = [f"Measured on {date.today()} by `bench/{command}`.", ""]
    text += [f"- {line}" for line in said]
    text += ["", head, "| --- " * len(COLUMNS) + "|", *lines]
    begin, end = f"<!-- measured: {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = PAGE.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE} has no section between {begin.strip()} and {end.strip()}.")
    PAGE.write_text(before + begin + "\n" + "\n".join(text) + "\n\n" + end + after)


def _rounded(number: float) -> float:
    return round(number, 1 if abs(number) >= 10 else 2)
