"""What a job does to itself before it looks at a foreign byte: it gives up all that it can.

Bytes that make a parser loop, grow or crash then cost one job its life. Bytes that take a job over
find no token, no environment, nobody else's files or memory, and nothing to keep their place with.
"""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from interlock.api.config import Config
from interlock.evidence.gitprocess import MAX_FETCH
from interlock.verifier import landlock, seccomp

MEMORY = 256 * 1024 * 1024
"""Bytes that a job may take beyond what it is born with. The pod's limit has room for all jobs."""
ADDRESSES = 4 * 1024 * 1024 * 1024
"""Bytes of address space beyond that: git maps the packs that it reads."""
FILE = MAX_FETCH
"""Bytes of one file: the largest is a pack that git fetches."""
DESCRIPTORS = 256
CPU_SHARE = 2
"""Seconds of processor for each second of a job's time; hashing uses more than one."""
NICENESS = 10
"""Behind the controller, which may have to move traffic at this very moment."""

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/dev/urandom")
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Room:
    """What one job has for itself."""

    folder: Path
    """Its private folder, removed with it."""
    kept: Path
    """What its namespace keeps from job to job: git mirrors."""
    config: Config
    seconds: float


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (prctl(2)); end if it has already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def adopt_orphans() -> None:
    """Have what our children leave behind become ours, whoever started it (prctl(2))."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def shut(room: Room) -> None:
    """Put the walls up around this process. Raises OSError; the job must not go on without."""
    os.umask(0o077)
    os.chdir(room.folder)
    tempfile.tempdir = str(room.folder)
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # not everywhere may one offer oneself
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit(room.seconds)
    # Not dumpable: no other process of this user may trace it or read its memory.
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    landlock.shut(
        [*map(Path, _SYSTEM), *_code(), *_named(room.config)],
        [room.folder, room.kept, Path("/dev/null")],
    )
    seccomp.shut()


def gaps() -> list[str]:
    """Return what this kernel cannot wall off, a sentence each: the rest of the walls stand."""
    said = []
    if (version := landlock.version()) == 0:
        said.append(
            "no Landlock in this kernel: a job that is taken over reads all files that the "
            "verifier may read, and can end other jobs"
        )
    elif version < landlock.SCOPES_SINCE:
        said.append(
            f"Landlock of this kernel has version {version}, before {landlock.SCOPES_SINCE} (Linux "
            "6.12): a job that is taken over can end other jobs"
        )
    if not seccomp.available():
        said.append(
            "no seccomp filter on this machine: a job that is taken over may use every system "
            "call that its container allows"
        )
    return said


def _limit(seconds: float) -> None:
    size, data = _taken()
    processor = max(1, math.ceil(seconds * CPU_SHARE))
    for what, value in (
        (resource.RLIMIT_DATA, data + MEMORY),
        (resource.RLIMIT_AS, size + ADDRESSES),
        (resource.RLIMIT_FSIZE, FILE),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(what)
        limit = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(what, (limit, limit))


def _taken() -> tuple[int, int]:
    """Return the bytes of address space, and of data, that this process has now (proc(5))."""
    pages = Path("/proc/self/statm").read_text().split()
    page = resource.getpagesize()
    return int(pages[0]) * page, int(pages[5]) * page


def _code() -> Iterator[Path]:
    """Yield where Python and our own modules lie; some are imported late."""
    yield from {Path(folder) for folder in (*sys.path, sys.prefix, sys.base_prefix) if folder}


def _named(value: object) -> Iterator[Path]:
    """Yield the files that a job's configuration names: its sources' credentials and trust.

    What is mounted is replaced by turning links to it: a job that meets that is asked again.
    """
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name != "state_dir":
                yield from _named(getattr(value, name))
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _named(each)


def end_strays(known: Set[int]) -> None:
    """Kill all children but these, and what becomes ours by their end."""
    while strays := _children() - known:
        for process in strays:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _children() -> set[int]:
    """Return our direct children (proc(5)); nothing where the kernel does not list them."""
    found = set()
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended, or no list
            found |= {int(word) for word in listed.read_text().split()}
    return found


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl {option}: {os.strerror(error)}")
