"""Forks jobs: a process that has loaded everything, has done nothing, and never looks at a byte.

`python -m interlock.verifier.forkserver FD MODULE`: on the socket FD it is told `fork N` with a
job's channel, or `kill N`; it says `ready` once, and `ended N STATUS`. It waits for its children
itself, so that no process number is ever killed that has become somebody else's.
"""

import contextlib
import gc
import importlib
import logging
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable

from interlock.verifier import walls

READY = b"ready"
MESSAGE = 64
"""Bytes of a message at most."""
_KEPT = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Of the environment, what a job needs: git, and which authorities TLS trusts."""

Work = Callable[[socket.socket], int]
"""Does one job over its channel; returns its exit code."""


def environment() -> dict[str, str]:
    """Return the environment for this program: what jobs need, and where our modules are."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"}


class Forkserver:
    """Forks, kills and waits, as it is told."""

    def __init__(self, control: socket.socket, work: Work) -> None:
        self._control = control
        self._work = work
        self._jobs: dict[int, tuple[int, int]] = {}
        """Number to process and its descriptor."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Do as told until the other side is gone; then leave no job behind."""
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._reap(key.data)
                elif not self._told():
                    return self._leave()

    def _told(self) -> bool:
        message, channels, _, _ = socket.recv_fds(self._control, MESSAGE, 1)
        if not message:
            return False
        word, _, number = message.decode().partition(" ")
        if word == "fork":
            self._fork(int(number), channels[0])
        elif int(number) in self._jobs:
            signal.pidfd_send_signal(self._jobs[int(number)][1], signal.SIGKILL)
        return True

    def _fork(self, number: int, channel: int) -> None:
        parent = os.getpid()
        process = os.fork()
        if process == 0:
            self._become_job(channel, parent)
        os.close(channel)
        descriptor = os.pidfd_open(process)
        self._jobs[number] = (process, descriptor)
        self._selector.register(descriptor, selectors.EVENT_READ, number)

    def _become_job(self, channel: int, parent: int) -> None:
        """Do the job and end; of its parent's descriptors it has its channel alone."""
        code, talk = 1, socket.socket(fileno=channel)  # closed by the end alone: then all is said
        try:
            walls.die_with(parent)
            self._selector.close()
            self._control.close()
            for _, descriptor in self._jobs.values():
                os.close(descriptor)
            gc.enable()
            code = self._work(talk)
        except BaseException:
            logging.getLogger(__name__).exception("a job failed")
        finally:
            os._exit(code)

    def _reap(self, number: int) -> None:
        process, descriptor = self._jobs.pop(number)
        _, status = os.waitpid(process, 0)
        self._selector.unregister(descriptor)
        os.close(descriptor)
        # Orphans come to us, and what is no job was left behind by one.
        walls.end_strays({process for process, _ in self._jobs.values()})
        with contextlib.suppress(OSError):  # nobody may be left to hear it
            self._control.send(b"ended %d %d" % (number, status))

    def _leave(self) -> None:
        for _, descriptor in self._jobs.values():
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        for number in [*self._jobs]:
            self._reap(number)


def main() -> int:
    """Load the work, and fork it whenever told."""
    parent = os.getppid()
    descriptor, module = int(sys.argv[1]), sys.argv[2]
    control = socket.socket(fileno=descriptor)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in set(os.environ) - set(_KEPT):
        del os.environ[name]
    walls.die_with(parent)
    walls.adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us decides when to end
    work: Work = importlib.import_module(module).work
    gc.disable()
    gc.collect()
    gc.freeze()  # a collection would copy every page that the jobs share
    control.send(READY)
    Forkserver(control, work).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
