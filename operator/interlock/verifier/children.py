"""The verifier's hold on the process that forks its jobs; it is started again when it dies."""

import asyncio
import contextlib
import logging
import socket
import sys
from dataclasses import dataclass

from interlock.verifier import forkserver, walls

LOST = -1
"""The status of a job whose fork server died; the kernel killed the job with it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """One job that was forked."""

    number: int
    ended: asyncio.Future[int]
    """Its wait status (waitpid(2)), or LOST."""


class Children:
    """Forks jobs from a process that loaded `module`, and kills them."""

    def __init__(self, module: str, alone: bool = False) -> None:
        """`alone`: this process has no other children, and adopts orphans."""
        self._module = module
        self._alone = alone
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._jobs: dict[int, asyncio.Future[int]] = {}
        self._last = 0
        self._starting = asyncio.Lock()
        self._again: asyncio.Task[None] | None = None

    async def start(self) -> socket.socket:
        """Have the fork server load what jobs need, unless it has; return its socket.

        Raises OSError.
        """
        async with self._starting:
            if self._control is None:
                self._control = await self._started()
            return self._control

    async def _started(self) -> socket.socket:
        if self._process:
            await self._process.wait()
            if self._alone:  # the jobs died with it; what they had started came to us
                await asyncio.to_thread(walls.end_strays, frozenset())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            await self._load(ours, theirs)
        except BaseException:
            ours.close()  # whatever was started ends by that
            raise
        asyncio.get_running_loop().add_reader(ours, self._hear, ours)
        return ours

    async def _load(self, ours: socket.socket, theirs: socket.socket) -> None:
        ours.setblocking(False)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", forkserver.__name__),
                *(str(theirs.fileno()), self._module),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=forkserver.environment(),
            )
        said = await asyncio.get_running_loop().sock_recv(ours, forkserver.MESSAGE)
        if said != forkserver.READY:
            raise OSError(f"the process that forks jobs could not load {self._module}")

    async def fork(self, channel: socket.socket) -> Child:
        """Fork a job that talks over `channel`. Raises OSError."""
        control = await self.start()
        self._last += 1
        child = Child(self._last, asyncio.get_running_loop().create_future())
        socket.send_fds(control, [b"fork %d" % child.number], [channel.fileno()])
        self._jobs[child.number] = child.ended
        return child

    async def kill(self, child: Child) -> int:
        """Kill a job that may have ended; return its status once nothing of it is left."""
        if not child.ended.done() and self._control:
            with contextlib.suppress(OSError):  # the fork server died, and the job with it
                self._control.send(b"kill %d" % child.number)
        return await asyncio.shield(child.ended)  # whoever is cancelled here, it ends once

    async def close(self) -> None:
        """End the fork server and all jobs."""
        if self._again:
            self._again.cancel()
            await asyncio.gather(self._again, return_exceptions=True)
        if self._control:
            self._lost(self._control)
        if self._process:
            await self._process.wait()

    def _hear(self, control: socket.socket) -> None:
        try:
            message = control.recv(forkserver.MESSAGE)
        except OSError:
            message = b""
        if not message:
            _log.error("the process that forks jobs died; it is started again")
            self._lost(control)
            self._again = asyncio.create_task(self._restart())
            return
        _, number, status = message.decode().split()
        self._jobs.pop(int(number)).set_result(int(status))

    async def _restart(self) -> None:
        try:
            await self.start()
        except OSError as error:  # the next job tries again
            _log.error("%s", error)

    def _lost(self, control: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(control)
        control.close()
        self._control = None
        for ended in self._jobs.values():
            ended.set_result(LOST)
        self._jobs.clear()
