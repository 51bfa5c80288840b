"""Gives each request a process of its own that ends with it; nowhere else are foreign bytes parsed.

A job that does not end, grows or is killed costs its own agent one sentence, which is asked again;
all other jobs go on. What a job says is passed on unread: the controller judges it.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from interlock.api.facts import Unresolved
from interlock.api.reasons import Reason
from interlock.evidence import wire
from interlock.verifier import frames
from interlock.verifier.children import LOST, Children
from interlock.verifier.frames import MAX_MEMORY, OUT_OF_MEMORY, FrameError, Gone, Letter, packed
from interlock.verifier.memories import Memories
from interlock.verifier.needs import Needs

WORK = "interlock.verifier.work"
MAX_JOBS = 8
MAX_JOBS_OF_ONE = 3
"""Jobs of one namespace at a time: sources that hang hold up those who named them."""
GRACE = 3.0
"""Seconds that a job may take longer than it was told, to say so itself."""
NOTHING = Needs()
"""No source at all."""
_GOVERNANCE = "governance"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: JSON, and whether it is what was asked for."""

    resolved: bool
    body: bytes

    @classmethod
    def unresolved(cls, reason: Reason, message: str) -> "Answer":
        """Say why there is none."""
        said = Unresolved(reason=reason, message=message)
        return cls(resolved=False, body=said.model_dump_json().encode())


@dataclass(frozen=True, slots=True)
class _Task:
    path: str
    body: bytes
    needs: Needs
    about: str
    kept: str
    """The folder of what is kept from job to job: one a namespace."""
    limit: int


class Jobs:
    """Runs jobs, each behind walls. Its methods never raise for what a job does."""

    def __init__(
        self,
        folder: Path,
        work: str = WORK,
        seconds: float = wire.MAX_SECONDS,
        alone: bool = False,
    ) -> None:
        """`alone`: this process has no other children, and adopts orphans."""
        self._rooms = folder / "rooms"
        self._kept = folder / "kept"
        self._seconds = seconds
        self._children = Children(work, alone)
        self._memories = Memories()
        self._slots = asyncio.Semaphore(MAX_JOBS)
        self._slots_of: dict[str, asyncio.Semaphore] = defaultdict(_few)
        self._governing = asyncio.Semaphore(1)
        self._last = 0

    async def start(self) -> None:
        """Remove what jobs left that were killed with us, and load what jobs need."""
        await asyncio.to_thread(shutil.rmtree, self._rooms, ignore_errors=True)
        await self._children.start()

    async def close(self) -> None:
        """End all jobs."""
        await self._children.close()

    async def findings(
        self, namespace: str, name: str, body: bytes, needs: Needs = NOTHING
    ) -> Answer:
        """Return what the world says of an agent."""
        kept = sha256(namespace.encode()).hexdigest()[:32]
        limit = wire.MAX_FINDINGS_BYTES
        task = _Task(wire.FINDINGS, body, needs, f"{namespace}/{name}", kept, limit)
        return await self._run(task, self._slots_of[namespace], self._slots)

    async def governance(self, body: bytes, needs: Needs = NOTHING) -> Answer:
        """Return what governance says; no agent's job is ever in its way."""
        limit = wire.MAX_GOVERNANCE_BYTES
        task = _Task(wire.GOVERNANCE, body, needs, "governance", _GOVERNANCE, limit)
        return await self._run(task, self._governing)

    async def _run(self, task: _Task, *slots: asyncio.Semaphore) -> Answer:
        clock = asyncio.get_running_loop().time
        until = clock() + self._seconds
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout_at(until):
                    for slot in slots:
                        await held.enter_async_context(slot)
            except TimeoutError:
                return _unavailable(
                    f"The verifier had no room for {task.about} within {self._seconds:g} s: other "
                    "jobs of its namespace, or of all, take long. It is asked again."
                )
            room = await held.enter_async_context(self._room())
            return await self._alone(task, room, until - clock())

    async def _alone(self, task: _Task, room: Path, seconds: float) -> Answer:
        """Run one job; when this returns, nothing of it is left."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                child = await self._children.fork(theirs)
            except OSError as error:
                return _unavailable(f"No job for {task.about} could be started: {error}.")
            theirs.close()
            try:
                async with asyncio.timeout(seconds + GRACE):
                    return await self._talk(ours, task, room, seconds)
            except TimeoutError:
                why = f"did not end within {seconds:.0f} s and was stopped"
            except FrameError as error:
                why = f"said what no job says: {error}"
            except (Gone, OSError):
                why = _ended(await self._children.kill(child))
            finally:
                await self._children.kill(child)
        _log.warning("the job for %s %s", task.about, why)
        return _unavailable(
            f"The verifier's job for {task.about} {why}. What it read may be made to do that; "
            "it is asked again. Look at the verifier container's log."
        )

    async def _talk(self, ours: socket.socket, task: _Task, room: Path, seconds: float) -> Answer:
        told = {
            "path": task.path,
            "seconds": seconds,
            "folder": str(room),
            "kept": str(self._folder(self._kept / task.kept)),
            "config": task.needs.config.dump(),
        }
        memory = f"{task.about} {task.needs.content}"
        stream, writer = await asyncio.open_connection(sock=ours)
        try:
            writer.write(packed(Letter.TASK, json.dumps(told).encode()))
            writer.write(packed(Letter.BODY, task.body))
            writer.write(packed(Letter.POLICY, task.needs.policy.encode()))
            writer.write(packed(Letter.MEMORY, self._memories.recall(memory)))
            await writer.drain()
            limits = dict.fromkeys((Letter.ANSWER, Letter.UNRESOLVED), task.limit)
            letter, said = await frames.read(stream, limits | {Letter.MEMORY: MAX_MEMORY})
            if letter is Letter.MEMORY:
                self._memories.keep(memory, said)
                letter, said = await frames.read(stream, limits)
            return Answer(letter is Letter.ANSWER, said)
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def _room(self) -> AsyncIterator[Path]:
        """Give a folder of its own to one job."""
        self._last += 1
        room = self._folder(self._rooms / str(self._last))
        try:
            yield room
        finally:
            await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)

    @staticmethod
    def _folder(path: Path) -> Path:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


def _few() -> asyncio.Semaphore:
    return asyncio.Semaphore(MAX_JOBS_OF_ONE)


def _ended(status: int) -> str:
    """Say how a job ended that gave no answer, as waitpid(2) tells it."""
    if status == LOST:
        return "ended with the process that forks jobs"
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    if os.WEXITSTATUS(status) == OUT_OF_MEMORY:
        return "needed more memory than a job may have"
    return "gave no answer"


def _unavailable(message: str) -> Answer:
    return Answer.unresolved(Reason.VERIFIER_UNAVAILABLE, message)
