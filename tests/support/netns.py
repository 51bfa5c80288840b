"""A node with pods made of network namespaces, in which real packets meet a real ruleset."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_DRIVER = Path(__file__).with_name("netns_driver.py")
# Private network and mounts; the kernel ends the driver if this process' child is ended.
_UNSHARE = ("unshare", "--net", "--mount", "--fork", "--kill-child")
GRACE = 0.2  # seconds for an answer that should not come, after all that should have come


class World:
    """The driver in its namespaces; each method is one of its commands."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def load(self, ruleset: str) -> None:
        """Puts a ruleset into the node's kernel."""
        assert self.ask("rules", ruleset) == ""

    def probe(
        self, probes: Sequence[tuple[str, str, str, int]], want: Sequence[bool]
    ) -> list[bool]:
        """Which of (source, address, protocol, port) were answered; `want` says how long to wait.

        A probe that should fail has at least as long as all that should not took.
        """
        got: list[bool] = self.ask("probe", probes, want, GRACE)
        return got

    def ask(self, *command: Any) -> Any:
        """Sends a command and returns its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def world(
    hosts: Mapping[str, Sequence[str]], listens: Sequence[tuple[str, int]]
) -> Iterator[World]:
    """Brings the namespaces up and takes them down, whatever happens in between."""
    arguments = (sys.executable, "-P", str(_DRIVER), json.dumps(hosts), json.dumps(listens))
    process = subprocess.Popen(
        (*_UNSHARE, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout
            assert json.loads(process.stdout.readline()) == "up"
            yield World(process)
        finally:
            process.kill()
