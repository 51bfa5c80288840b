"""Reads foreign git repositories: the only module that starts git on bytes that others control.

A repository may hold hooks, configuration, replace refs, helper transports and malformed objects
that make git run programs or lie (CVE-2022-24439, CVE-2024-32002, CVE-2025-48384 and others). So:
bare mirrors of our own, never a checkout; an environment and options that name everything; HTTPS
only; objects checked on arrival; refs arrive in quarantine and are promoted only if they continue
what was there; every call has a time limit and a byte limit, and dies with its children.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from interlock.api.config import Git, longest_prefix
from interlock.api.digests import short
from interlock.evidence.gitaccess import credentials
from interlock.evidence.gitobjects import (
    CommitInfo,
    Fetched,
    GitRefused,
    GitUnavailable,
    TreeEntry,
    check_commit,
    check_ref,
    check_url,
    commits,
    entry,
)
from interlock.evidence.http import shown

__all__ = [
    "CommitInfo",
    "Fetched",
    "GitRefused",
    "GitUnavailable",
    "Limits",
    "Mirror",
    "TreeEntry",
    "credentials",
    "mirror_for",
]

MAX_FILE = 256 * 1024
MAX_ENTRIES = 4096
MAX_COMMITS = 1000
MAX_FETCH = 512 * 1024 * 1024
"""Bytes of one pack file; more history than that is refused."""
APPROVALS = "refs/approvals/"
"""Refs below here may only gain files; all other refs may only move forward."""

_MAX_OUTPUT = 16 * 1024 * 1024
_MAX_ERROR = 8 * 1024
_BLOCK = 512
_QUARANTINE = "refs/quarantine/"
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


def mirror_for(folder: Path, url: str, access: Sequence[Git]) -> "Mirror":
    """Return the mirror of `url` below `folder`, with the access of the longest fitting prefix."""
    name = hashlib.sha256(url.encode()).hexdigest()[:32]
    return Mirror(folder / f"{name}.git", longest_prefix(access, url))


class Mirror:
    """A bare repository of ours that mirrors refs of one foreign repository."""

    def __init__(
        self,
        dir: Path,  # noqa: A002 - the field's word for it
        access: Git | None = None,
        *,
        limits: Limits | None = None,
        allow_file: bool = False,
    ) -> None:
        self._dir = dir
        self._access = access
        self._limits = limits or Limits()
        self._allow_file = allow_file
        self._ready = False
        self._fetching = asyncio.Lock()

    async def fetch(self, url: str, refspecs: Mapping[str, str]) -> Fetched:
        """Bring remote refs into local ones; a remote ref that is not there is no error.

        Raises GitUnavailable, GitRefused.
        """
        check_url(url, self._allow_file)
        for ref in (*refspecs, *refspecs.values()):
            check_ref(ref)
        async with self._fetching:
            await self._prepare()
            return await self._fetch(url, refspecs)

    async def _fetch(self, url: str, refspecs: Mapping[str, str]) -> Fetched:
        there = await self._remote_refs(url, list(refspecs))
        quarantine = f"{_QUARANTINE}{secrets.token_hex(8)}/"
        landing = {ref: f"{quarantine}{n}" for n, ref in enumerate(refspecs) if ref in there}
        try:
            if landing:
                wanted = [f"+{remote}:{local}" for remote, local in landing.items()]
                flags = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--quiet")
                await self._network(url, "fetch", *flags, "--end-of-options", url, *wanted)
            return await self._promote(refspecs, landing)
        finally:
            await self._discard(landing.values())
            self._sweep()

    async def tip(self, ref: str) -> str | None:
        """Return the commit that a local ref names, or None."""
        check_ref(ref)
        if not (self._dir / "HEAD").exists():
            return None
        code, out, _ = await self._run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return out.decode().strip() if code == 0 else None

    async def read(self, commit: str, path: str, limit: int = MAX_FILE) -> bytes:
        """Return the bytes of a regular file. Raises GitRefused, also where there is none."""
        folder, _, name = path.rpartition("/")
        found = next((file for file in await self.tree(commit, folder) if file.name == name), None)
        if found is None:
            raise GitRefused(f"commit {short(commit)} has no file {shown(path, 200)}")
        return await self.blob(found, limit)

    async def blob(self, file: TreeEntry, limit: int = MAX_FILE) -> bytes:
        """Return the bytes of a tree entry. Raises GitRefused unless it is a small plain file."""
        if not file.regular:
            raise GitRefused(f"{shown(file.name, 200)} has mode {file.mode}, expected a plain file")
        if file.size > limit:
            raise GitRefused(f"{shown(file.name, 200)} has {file.size} bytes, at most {limit}")
        return await self._output("cat-file", "blob", file.sha, limit=limit)

    async def tree(
        self, commit: str, path: str = "", *, recursive: bool = False
    ) -> list[TreeEntry]:
        """Return the entries below a folder, at most MAX_ENTRIES. Raises GitRefused."""
        check_commit(commit)
        where = f"{commit}:{path}" if path else f"{commit}^{{tree}}"
        flags = ("-r", "-z", "-l") if recursive else ("-z", "-l")
        code, out, _ = await self._run("ls-tree", *flags, where)
        if code != 0:
            raise GitRefused(f"commit {short(commit)} has no folder {shown(path or '/', 200)}")
        lines = out.split(b"\0")[:-1]
        if len(lines) > MAX_ENTRIES:
            raise GitRefused(
                f"{shown(path or '/', 200)} has {len(lines)} entries, at most {MAX_ENTRIES}"
            )
        return [entry(line) for line in lines]

    async def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` continues `old`; False also where `old` is not known here."""
        check_commit(old)
        check_commit(new)
        code, _, _ = await self._run("merge-base", "--is-ancestor", old, new)
        return code == 0

    async def history(self, commit: str, path: str, since: str = "") -> list[CommitInfo]:
        """Return the commits after `since` that changed `path`, newest first, on all branches.

        At most MAX_COMMITS + 1 come back, so that a caller can see that there were more.
        """
        check_commit(commit)
        flags = ("--full-history", f"--max-count={MAX_COMMITS + 1}")
        start = [commit]
        if since:
            check_commit(since)
            start.append(f"^{since}")
        out = await self._output("rev-list", *flags, *start, "--", path)
        ids = out.decode().split()
        return await self._commits(ids) if ids else []

    async def _commits(self, ids: Sequence[str]) -> list[CommitInfo]:
        asked = "".join(f"{commit}\n" for commit in ids).encode()
        return commits(ids, await self._output("cat-file", "--batch", stdin=asked))

    async def _prepare(self) -> None:
        if self._ready:
            return
        if not (self._dir / "HEAD").exists():
            self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self._output("init", "--quiet", "--bare", "--template=", str(self._dir))
        self._ready = True

    async def _remote_refs(self, url: str, refs: Sequence[str]) -> set[str]:
        out = await self._network(url, "ls-remote", "--quiet", "--end-of-options", url, *refs)
        names = (line.partition(b"\t")[2].decode("utf-8", "replace") for line in out.splitlines())
        return set(names) & set(refs)

    async def _promote(self, refspecs: Mapping[str, str], landing: Mapping[str, str]) -> Fetched:
        tips: dict[str, str | None] = {}
        refused: dict[str, str] = {}
        for remote, local in refspecs.items():
            old = await self.tip(local)
            new = await self.tip(landing[remote]) if remote in landing else None
            tips[local] = old
            if new == old:
                continue
            if why := await self._break(local, old, new):
                refused[local] = why
                continue
            await self._output("update-ref", "--no-deref", local, str(new), old or "0" * 40)
            tips[local] = new
        return Fetched(tips, refused)

    async def _break(self, ref: str, old: str | None, new: str | None) -> str:
        """Return why `new` does not continue `old`, or nothing where it does."""
        if old is None:
            return "" if new else f"{ref} is not a commit at the server"
        keep = f"commit {short(old)}, seen before, stays in force"
        if new is None:
            return f"{ref} is gone from the server; {keep}"
        if not ref.startswith(APPROVALS):
            if await self.is_ancestor(old, new):
                return ""
            return f"{ref} was moved to {short(new)}, which does not continue it; {keep}"
        lost = {*await self.tree(old, recursive=True)} - {*await self.tree(new, recursive=True)}
        if not lost:
            return ""
        name = shown(min(entry.name for entry in lost))
        return f"{ref} at {short(new)} lost or changed {name}; {keep}"

    async def _discard(self, refs: Iterable[str]) -> None:
        for ref in refs:
            with contextlib.suppress(GitUnavailable, GitRefused):
                await self._run("update-ref", "--no-deref", "-d", ref)

    def _sweep(self) -> None:
        """Remove half-received packs, which an ended fetch leaves and nobody would collect."""
        for left in (self._dir / "objects" / "pack").glob("tmp_*"):
            left.unlink(missing_ok=True)

    async def _network(self, url: str, *args: str) -> bytes:
        limit = self._limits.fetch_seconds
        access = credentials(self._access, url)
        try:
            code, out, err = await self._run(*args, access=access, seconds=limit)
        except GitUnavailable as error:
            raise GitUnavailable(f"{url} could not be fetched: {error}") from None
        if code == 0:
            return out
        said = _said(err)
        if "index-pack" in said:
            most = self._limits.fetch_bytes
            raise GitRefused(f"{url} sent more than {most} bytes or malformed objects: {said}")
        raise GitUnavailable(f"{url} could not be fetched: {said or f'git ended with {code}'}")

    async def _output(self, *args: str, limit: int = _MAX_OUTPUT, stdin: bytes = b"") -> bytes:
        code, out, err = await self._run(*args, limit=limit, stdin=stdin)
        if code != 0:
            raise GitRefused(f"git {args[0]} ended with {code}: {_said(err)}")
        return out

    async def _run(
        self,
        *args: str,
        limit: int = _MAX_OUTPUT,
        stdin: bytes = b"",
        access: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> tuple[int, bytes, bytes]:
        """Run git in the mirror; its whole process group is dead when this returns."""
        seconds = self._limits.read_seconds if seconds is None else seconds
        options = [word for option in self._options() for word in ("-c", option)]
        command = ["git", f"--git-dir={self._dir}", *options, *args]
        # A limit that the child sets on itself before exec cannot be outrun, and needs no
        # preexec_fn (unsafe beside threads); nothing foreign reaches the shell's own words.
        blocks = str(self._limits.fetch_bytes // _BLOCK)
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", 'ulimit -f "$0" && exec "$@"', blocks, *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment() | dict(access or {}),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                return await _collect(process, stdin, limit)
        except TimeoutError:
            raise GitUnavailable(f"git {args[0]} gave no result within {seconds:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

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


def _said(stderr: bytes) -> str:
    return shown("; ".join(stderr.decode("utf-8", "backslashreplace").split("\n")).strip("; "), 400)
