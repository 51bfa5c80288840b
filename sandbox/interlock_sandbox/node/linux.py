"""The three system calls that Python 3.11 has no name for."""

import ctypes
import os
import signal

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
NEW_PIDS = 0x20000000  # CLONE_NEWPID
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def unshare(flags: int) -> None:
    """Moves the calling thread into namespaces of its own; OSError without the right to."""
    _checked(ctypes.CDLL(None, use_errno=True).unshare(flags), "unshare")


def die_with_parent() -> None:
    """Has the kernel kill this process when the thread that started it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL)), "prctl")


def _checked(result: int, call: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
