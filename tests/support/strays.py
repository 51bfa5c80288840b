"""A verifier's jobs in a process of their own, whose fork server is killed under a job that bred.

Prints the process that the job had started, once jobs are answered again: `python -m
support.strays FOLDER`.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from interlock.verifier import walls
from interlock.verifier.jobs import Answer, Jobs
from support import deeds


async def main(folder: Path) -> None:
    """Have a job breed, kill the fork server, and say which process was left."""
    walls.adopt_orphans()
    jobs = Jobs(folder, deeds.MODULE, alone=True)
    await jobs.start()
    server = json.loads((await _do(jobs, "tells")).body)["parent"]
    breeding = asyncio.create_task(_do(jobs, "breeds"))
    while not (left := [*folder.glob("rooms/*/left")]) or not left[0].read_text():
        await asyncio.sleep(0.01)
    stray = left[0].read_text()
    os.kill(server, signal.SIGKILL)
    await breeding
    assert (await _do(jobs, "answers")).resolved
    print(stray, flush=True)
    sys.stdin.read()  # the process goes on: nothing of it ends because it does
    await jobs.close()


async def _do(jobs: Jobs, deed: str) -> Answer:
    return await jobs.findings("line-4", "press", json.dumps({"name": deed}).encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
