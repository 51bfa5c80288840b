"""Runs one part of the sandbox by itself, without a supervisor."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from interlock_sandbox.process import Part, Program, kill_marked


@contextmanager
def running(part: Part, home: Path) -> Iterator[Mapping[str, str]]:
    """The outputs of `part` while all its programs run."""
    programs: list[Program] = []
    try:
        for spec in part.specs(home):
            programs.append(Program(spec, home))
            programs[-1].wait_ready()
        yield part.outputs()
    finally:
        for program in reversed(programs):
            program.end()
        kill_marked(home)
