"""Starts git on bytes that others control: hardened, bounded, and gone when it returns.

A repository may hold hooks, configuration, replace refs, helper transports and malformed objects
that make git run programs or lie (CVE-2022-24439, CVE-2024-32002, CVE-2025-48384 and others). So an
environment and options name everything; only HTTPS is spoken; objects are checked on arrival; and
every process has limits of time, bytes and memory, and dies with its children.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from interlock.api.config import Git
from interlock.evidence.gitaccess import credentials
from interlock.evidence.gitobjects import GitRefused, GitUnavailable
from interlock.evidence.http import shown

MAX_FETCH = 512 * 1024 * 1024
"""Bytes of one pack file; more history than that is refused."""
MAX_MEMORY = 768 * 1024 * 1024
"""Bytes of address space that each of git's processes may take."""

_WATCH_EVERY = 0.1
_MAX_OUTPUT = 16 * 1024 * 1024
_MAX_ERROR = 8 * 1024
_BLOCK = 512
_KIB = 1024
_LIMITED = 'ulimit -f "$0" && { ulimit -v "$1" 2>/dev/null || :; } && shift && exec "$@"'
"""A lower limit of memory may hold already, which nobody can raise."""
_BAD_PACK = ("index-pack", "fsck", "out of memory", "bad object", "bad pack")
"""What git says of a pack that it, or our limits, would not take."""
_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.symlinks=false",
    "core.askPass=",
    "credential.helper=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=no",
    "fetch.fsckObjects=true",
    "fetch.unpackLimit=1",
    "transfer.fsckObjects=true",
    "transfer.bundleURI=false",
    "transfer.credentialsInUrl=die",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=20",
    # a pack says itself how much memory unpacking it takes
    "core.bigFileThreshold=8m",
    "core.deltaBaseCacheLimit=16m",
    "core.packedGitWindowSize=8m",
    "core.packedGitLimit=64m",
    "pack.threads=1",
    "pack.windowMemory=64m",
    "gc.auto=0",
    "maintenance.auto=false",
    "safe.bareRepository=explicit",
    "protocol.allow=never",
    "protocol.https.allow=always",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take. Seconds, bytes."""

    fetch_seconds: float = 60.0
    read_seconds: float = 20.0
    fetch_bytes: int = MAX_FETCH
    memory_bytes: int = MAX_MEMORY


class GitProcess:
    """Runs git in one bare repository of ours."""

    def __init__(
        self, folder: Path, access: Git | None, limits: Limits, *, allow_file: bool
    ) -> None:
        self._dir = folder
        self._access = access
        self.limits = limits
        self._allow_file = allow_file

    async def network(
        self, url: str, *args: str, stdin: bytes = b"", into: Path | None = None
    ) -> bytes:
        """Return what git prints that talks to `url`, with our access there.

        What comes is stored in `into`, where it is given. Raises GitUnavailable, GitRefused.
        """
        limit, most = self.limits.fetch_seconds, self.limits.fetch_bytes
        settings = credentials(self._access, url) | self._storing(into)
        try:
            code, out, err = await self.run(
                *args, stdin=stdin, settings=settings, seconds=limit, into=into
            )
        except GitUnavailable as error:
            raise GitUnavailable(f"{url} could not be fetched: {error}") from None
        if into and self._full(into):
            raise GitRefused(f"{url} sent more than {most} bytes, in many files")
        if code == 0:
            return out
        why = said(err)
        if any(word in why for word in _BAD_PACK):
            raise GitRefused(f"{url} sent more than {most} bytes or malformed objects: {why}")
        raise GitUnavailable(f"{url} could not be fetched: {why or f'git ended with {code}'}")

    async def check(self, folder: Path) -> None:
        """Check every object that came into a folder, in whatever way. Raises GitRefused.

        Git itself does so for the smart protocol alone; of a server that speaks the dumb one it
        takes objects as they lie.
        """
        loose = [each for each in folder.glob("??/*") if each.is_file()]
        if loose:
            raise GitRefused("the server speaks git's dumb protocol; only the smart one is taken")
        for pack in sorted(folder.glob("pack/*.pack")):
            index = ("index-pack", "--strict", "-o", str(folder / "checked.idx"), str(pack))
            seconds, settings = self.limits.fetch_seconds, self._storing(folder)
            code, _, err = await self.run(*index, settings=settings, seconds=seconds)
            if code != 0:
                raise GitRefused(f"the server sent malformed objects: {said(err)}")
            (folder / "checked.idx").unlink()

    def _storing(self, folder: Path | None) -> dict[str, str]:
        """Return the environment with which git stores new objects there, beside what we have."""
        if folder is None:
            return {}
        known = str(self._dir / "objects")
        return {"GIT_OBJECT_DIRECTORY": str(folder), "GIT_ALTERNATE_OBJECT_DIRECTORIES": known}

    async def output(self, *args: str, limit: int = _MAX_OUTPUT, stdin: bytes = b"") -> bytes:
        """Return what git prints. Raises GitRefused where it fails, GitUnavailable where it hangs.

        More than `limit` bytes are refused.
        """
        code, out, err = await self.run(*args, limit=limit, stdin=stdin)
        if code != 0:
            raise GitRefused(f"git {args[0]} ended with {code}: {said(err)}")
        return out

    async def run(
        self,
        *args: str,
        limit: int = _MAX_OUTPUT,
        stdin: bytes = b"",
        settings: Mapping[str, str] | None = None,
        seconds: float | None = None,
        into: Path | None = None,
    ) -> tuple[int, bytes, bytes]:
        """Run git in the mirror; its whole process group is dead when this returns.

        Git ends early, killed, where more comes into a folder than one fetch may bring.
        """
        seconds = self.limits.read_seconds if seconds is None else seconds
        options = [word for option in self._options() for word in ("-c", option)]
        command = ["git", f"--git-dir={self._dir}", *options, *args]
        # A limit that the child sets on itself before exec cannot be outrun, and needs no
        # preexec_fn (unsafe beside threads); nothing foreign reaches the shell's own words.
        blocks, memory = self.limits.fetch_bytes // _BLOCK, self.limits.memory_bytes // _KIB
        limits = (str(blocks), str(memory))
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _LIMITED, *limits, *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment() | dict(settings or {}),
            start_new_session=True,
        )
        watching = asyncio.create_task(self._watch(process.pid, into)) if into else None
        try:
            async with asyncio.timeout(seconds):
                return await _collect(process, stdin, limit)
        except TimeoutError:
            raise GitUnavailable(f"git {args[0]} gave no result within {seconds:g} s") from None
        finally:
            if watching:
                watching.cancel()
            _kill(process.pid)
            await process.wait()

    async def _watch(self, group: int, folder: Path) -> None:
        """Kill git when a folder is full: no limit of the system's is about several files."""
        while not self._full(folder):
            await asyncio.sleep(_WATCH_EVERY)
        _kill(group)

    def _full(self, folder: Path) -> bool:
        """Whether a folder holds more than one fetch may bring: a pack, and its index."""
        return sum(_size(file) for file in folder.rglob("*")) > 2 * self.limits.fetch_bytes

    def _options(self) -> tuple[str, ...]:
        return (*_OPTIONS, *(("protocol.file.allow=always",) if self._allow_file else ()))

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_ALLOW_PROTOCOL": "https:file" if self._allow_file else "https",
        }


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size
    except FileNotFoundError:  # git renamed it
        return 0


async def _collect(
    process: asyncio.subprocess.Process, stdin: bytes, limit: int
) -> tuple[int, bytes, bytes]:
    source, sink, errors = process.stdin, process.stdout, process.stderr
    if source is None or sink is None or errors is None:
        raise GitUnavailable("git was started without its pipes")
    out, err, _ = await asyncio.gather(_bounded(sink, limit), _tail(errors), _feed(source, stdin))
    return await process.wait(), out, err


async def _bounded(stream: asyncio.StreamReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await stream.read(64 * 1024):
        data += chunk
        if len(data) > limit:
            raise GitRefused(f"git's answer is longer than {limit} bytes")
    return bytes(data)


async def _tail(stream: asyncio.StreamReader) -> bytes:
    data = b""
    while chunk := await stream.read(4096):
        data = (data + chunk)[-_MAX_ERROR:]
    return data


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    stream.close()


def said(stderr: bytes) -> str:
    """Return what git complained of, in one line."""
    return shown("; ".join(stderr.decode("utf-8", "backslashreplace").split("\n")).strip("; "), 400)
