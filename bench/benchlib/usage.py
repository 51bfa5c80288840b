"""Memory and CPU of a running program, as the kernel counts them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

WHILE = 5.0
"""Seconds over which a process is watched to call it at rest."""
IDLE = 0.1
"""Of one CPU: what a process at rest spends at most."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds now, and what it has spent."""

    mebibytes: float
    cpu_seconds: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read it for a process."""
        status = Path(f"/proc/{pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
        return cls(int(resident.split()[1]) / 1024, ticks / os.sysconf("SC_CLK_TCK"))

    @classmethod
    def at_rest(cls, pid: int, seconds: float = 600.0) -> Self:
        """Read it once the process has hardly worked for a while."""
        deadline = time.monotonic() + seconds
        before = cls.of(pid)
        while True:
            time.sleep(WHILE)
            after = cls.of(pid)
            if after.cpu_seconds - before.cpu_seconds < IDLE * WHILE:
                return after
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {pid} is still busy after {seconds:.0f} s")
            before = after
