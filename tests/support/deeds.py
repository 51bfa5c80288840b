"""Jobs of the verifier that do what taken-over or unlucky ones would, behind the real walls.

A fork server that is given this module instead of `interlock.verifier.work` does what the request
names: `{"name": ..., ...}`.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from interlock.verifier import frames
from interlock.verifier.frames import OUT_OF_MEMORY, Letter
from interlock.verifier.task import Job, begin

MODULE = __name__
_PR_GET_DUMPABLE, _PR_GET_NO_NEW_PRIVS = 3, 39
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE_NEWUSER, _PTRACE_SEIZE, _PIDFD_GETFD, _IO_URING_SETUP = 0x10000000, 0x4206, 438, 425
_VECTOR = (None, 0, None, 0, 0)
_LIBC = ctypes.CDLL(None, use_errno=True)
Deed = Callable[[Job, Mapping[str, Any]], object]


def work(channel: socket.socket) -> int:
    """Do what the request names, and answer what came of it."""
    job = begin(channel)
    asked = json.loads(job.body)
    if asked["name"] == "floods":
        channel.sendall(frames.packed(Letter.ANSWER, bytes(asked["bytes"])))
        time.sleep(600)
    try:
        said = DEEDS[asked["name"]](job, asked)
    except MemoryError:
        return OUT_OF_MEMORY
    if asked.get("leave"):
        channel.sendall(frames.packed(Letter.MEMORY, asked["leave"].encode()))
    channel.sendall(frames.packed(Letter.ANSWER, json.dumps(said).encode()))
    time.sleep(600)  # it does not go by itself
    return 0


def _tells(job: Job, _: Mapping[str, Any]) -> object:
    """Tell what it is and has."""
    limits = {
        name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
        for name in ("AS", "DATA", "CPU", "NOFILE", "FSIZE", "CORE")
    }
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "environment": dict(os.environ),
        "descriptors": [number for number in range(256) if _is_open(number)],
        "limits": limits,
        "nice": os.nice(0),
        "dumpable": _LIBC.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0),
        "noNewPrivileges": _LIBC.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        "folder": os.getcwd(),
        "temporary": tempfile.gettempdir(),
        "mode": Path.cwd().stat().st_mode & 0o777,
        "memory": job.memory.decode(),
    }


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _opens(_: Job, asked: Mapping[str, Any]) -> object:
    """Try to read, list, write and make things; tell what became of each."""
    tries: dict[str, Callable[[Path], object]] = {
        "read": lambda path: path.read_bytes(),
        "list": lambda path: list(path.iterdir()),
        "write": lambda path: path.write_bytes(b"mine"),
        "bind": lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
        "unlink": lambda path: path.unlink(),
        "signal": lambda path: os.kill(int(path.name), 0),
        "look into": lambda path: Path(f"/proc/{path.name}/mem").open("rb").close(),
        "read memory of": lambda path: _called(_LIBC.process_vm_readv, int(path.name), *_VECTOR),
        "trace": lambda path: _called(_LIBC.ptrace, _PTRACE_SEIZE, int(path.name), 0, 0),
        "take descriptors of": lambda path: _called(
            _LIBC.syscall, _PIDFD_GETFD, os.pidfd_open(int(path.name)), 0, 0
        ),
        "leave namespaces": lambda _: _called(_LIBC.unshare, _CLONE_NEWUSER),
        "fork into a namespace": lambda _: _called(
            _LIBC.syscall, _CLONE[os.uname().machine], _CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0
        ),
        "use io_uring": lambda _: _called(_LIBC.syscall, _IO_URING_SETUP, 1, 0),
        "listen": lambda _: socket.create_server(("127.0.0.1", 0)),
    }
    said = []
    for what, path in asked["tries"]:
        try:
            tries[what](Path(path))
            said.append("done")
        except OSError as error:
            said.append(type(error).__name__)
    return said


def _called(function: Callable[..., int], *args: int | None) -> None:
    """Call the C library; raise what went wrong, as Python's own calls do."""
    if (result := function(*args)) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    if result == 0 and function is _LIBC.syscall and args[0] == _CLONE[os.uname().machine]:
        os._exit(0)  # the child that should not be


def _breeds(*_: object) -> object:
    """Leave word of a process that has nothing to do with it, and never end."""
    if os.fork() == 0:
        os.setsid()
        Path("left").write_text(str(os.getpid()))
        time.sleep(600)
    return _waits()


def _eats(*_: object) -> object:
    """Grow without end."""
    kept = []
    while True:
        kept.append(bytearray(16 * 1024 * 1024))


def _loops(*_: object) -> object:
    """Never end, and never wait."""
    while True:
        pass


def _waits(*_: object) -> object:
    """Never end, at no cost."""
    time.sleep(600)
    return None


def _dies(_: Job, asked: Mapping[str, Any]) -> object:
    """End by a signal."""
    os.kill(os.getpid(), getattr(signal, asked["signal"]))
    return "still here"


def _leaves(*_: object) -> object:
    """Leave a process behind that has nothing to do with it any more."""
    inside, outside = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if (last := os.fork()) != 0:
            os.write(outside, str(last).encode())
            os._exit(0)
        time.sleep(600)
    os.wait()
    return int(os.read(inside, 32))


def _answers(_: Job, asked: Mapping[str, Any]) -> object:
    """Answer at once."""
    return asked.get("say")


DEEDS: dict[str, Deed] = {
    "answers": _answers,
    "breeds": _breeds,
    "dies": _dies,
    "eats": _eats,
    "leaves": _leaves,
    "loops": _loops,
    "opens": _opens,
    "tells": _tells,
    "waits": _waits,
}
