"""A lock among processes: a git mirror is one folder, and jobs are processes of their own.

The kernel lets go of it when its holder dies, however it dies (flock(2)).
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

POLL = 0.02
"""Seconds between two attempts: waiting in the kernel could not be cancelled."""


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold the lock that is this file, which is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("ab") as file:
        while not _taken(file.fileno()):
            await asyncio.sleep(POLL)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
