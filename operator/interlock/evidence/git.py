"""Reads foreign git repositories: bare mirrors of our own, never a checkout.

Git itself is started by `gitprocess.py` alone. What a server sends lands in quarantine and is
promoted only if it continues what was there (`gitrefs.py`); what is read is a plain file of a
commit, by its object.
"""

import asyncio
import contextlib
import hashlib
import secrets
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from interlock.api.config import Git, longest_prefix
from interlock.api.digests import short
from interlock.evidence.gitobjects import (
    CommitInfo,
    GitRefused,
    GitUnavailable,
    TreeEntry,
    check_commit,
    entry,
    objects,
)
from interlock.evidence.gitprocess import GitProcess, Limits, said
from interlock.evidence.gitrefs import (
    APPROVALS,
    NOTHING_SEEN,
    TIP_FORMAT,
    Fetched,
    Seen,
    check_ref,
    check_url,
    remote_refs,
    removal,
    tips,
    update,
)
from interlock.evidence.http import shown

__all__ = [
    "APPROVALS",
    "CommitInfo",
    "Fetched",
    "GitRefused",
    "GitUnavailable",
    "Limits",
    "Mirror",
    "Seen",
    "TreeEntry",
    "mirror_for",
]

MAX_FILE = 256 * 1024
MAX_ENTRIES = 20_000
MAX_COMMITS = 1000
MAX_REFS = 4096
"""Refs of one fetch."""
MAX_PACKS = 500
"""Each fetch that brings something leaves a pack; so many slow git down and are made one."""

_MAX_BATCH = 8 * 1024 * 1024
_QUARANTINE = "refs/quarantine/"


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
        self._allow_file = allow_file
        self._git = GitProcess(dir, access, limits or Limits(), allow_file=allow_file)
        self._ready = False
        self._fetching = asyncio.Lock()

    async def fetch(
        self, url: str, refspecs: Mapping[str, str], seen: Seen = NOTHING_SEEN
    ) -> Fetched:
        """Bring remote refs into local ones; a remote ref that is not there is no error.

        `seen` is what others remember of this repository, for longer than a mirror may live.
        Raises GitUnavailable, GitRefused.
        """
        check_url(url, self._allow_file)
        if len(refspecs) > MAX_REFS:
            raise GitRefused(f"{len(refspecs)} refs are asked for at once, at most {MAX_REFS}")
        for ref in (*refspecs, *refspecs.values()):
            check_ref(ref)
        async with self._fetching:
            await self._prepare()
            return await self._fetch(url, refspecs, seen)

    async def _fetch(self, url: str, refspecs: Mapping[str, str], seen: Seen) -> Fetched:
        asked = await self._git.network(
            url, "ls-remote", "--quiet", "--end-of-options", url, *refspecs
        )
        there = remote_refs(asked, refspecs)
        held = await self._tips(refspecs.values())
        quarantine = f"{_QUARANTINE}{secrets.token_hex(8)}/"
        landing = {
            remote: f"{quarantine}{n}"
            for n, (remote, local) in enumerate(refspecs.items())
            if there.get(remote, held.get(local)) != held.get(local)
        }
        try:
            if landing:
                await self._receive(url, landing)
            came = await self._tips(
                landing.values(), {landing[ref] for ref in landing if ref.startswith(APPROVALS)}
            )
            offers = {
                local: came.get(landing[remote]) if remote in landing else held.get(local)
                for remote, local in refspecs.items()
                if remote in there
            }
            return await self._promote(refspecs.values(), held, offers, seen)
        finally:
            await self._discard(landing.values())

    async def _receive(self, url: str, landing: Mapping[str, str]) -> None:
        """Fetch into a folder aside, and take its packs over once each object was checked."""
        wanted = "".join(f"+{remote}:{local}\n" for remote, local in landing.items())
        flags = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--quiet")
        words = ("fetch", *flags, "--stdin", "--end-of-options", url)
        aside = self._dir / "incoming"
        shutil.rmtree(aside, ignore_errors=True)
        (aside / "pack").mkdir(parents=True)
        try:
            await self._git.network(url, *words, stdin=wanted.encode(), into=aside)
            await self._git.check(aside)
            # the index last: with it, the pack is there
            for part in sorted(aside.glob("pack/pack-*"), key=lambda each: each.suffix == ".idx"):
                shutil.move(part, self._dir / "objects" / "pack" / part.name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    async def tip(self, ref: str) -> str | None:
        """Return the commit that a local ref names, or None."""
        check_ref(ref)
        return (await self._tips([ref])).get(ref)

    async def _tips(self, refs: Iterable[str], plain: Container[str] = ()) -> dict[str, str]:
        named = list(refs)
        if not named or not (self._dir / "HEAD").exists():
            return {}
        listed = await self._git.output("for-each-ref", f"--format={TIP_FORMAT}", *named)
        return tips(listed, plain)

    async def read(self, commit: str, path: str, limit: int = MAX_FILE) -> bytes:
        """Return the bytes of a regular file. Raises GitRefused, also where there is none."""
        folder, _, name = path.rpartition("/")
        found = next((file for file in await self.tree(commit, folder) if file.name == name), None)
        if found is None:
            raise GitRefused(f"commit {short(commit)} has no file {shown(path, 200)}")
        return await self.blob(found, limit)

    async def blob(self, file: TreeEntry, limit: int = MAX_FILE) -> bytes:
        """Return the bytes of a tree entry. Raises GitRefused unless it is a small plain file."""
        if why := _unreadable(file, limit):
            raise why
        return await self._git.output("cat-file", "blob", file.sha, limit=limit)

    async def blobs(
        self, files: Sequence[TreeEntry], limit: int = MAX_FILE
    ) -> list[bytes | GitRefused]:
        """Return the bytes of each tree entry, or why it is not read, as `blob` says.

        One process reads many: for small files, starting git is most of the work.
        """
        refused = {n: why for n, file in enumerate(files) if (why := _unreadable(file, limit))}
        good = {n: file for n, file in enumerate(files) if n not in refused}
        found: dict[int, bytes | GitRefused] = {**refused}
        for group in _groups(good):
            ids = [good[n].sha for n in group]
            asked = "".join(f"{sha}\n" for sha in ids).encode()
            out = await self._git.output("cat-file", "--batch", stdin=asked)
            found |= zip(group, objects(ids, out, "blob"), strict=True)
        return [found[n] for n in range(len(files))]

    async def tree(
        self, commit: str, path: str = "", *, recursive: bool = False
    ) -> list[TreeEntry]:
        """Return the entries below a folder, at most MAX_ENTRIES. Raises GitRefused."""
        check_commit(commit)
        where = f"{commit}:{path}" if path else f"{commit}^{{tree}}"
        flags = ("-r", "-z", "-l") if recursive else ("-z", "-l")
        code, out, _ = await self._git.run("ls-tree", *flags, where)
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
        code, _, _ = await self._git.run("merge-base", "--is-ancestor", old, new)
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
        out = await self._git.output("rev-list", *flags, *start, "--", path)
        ids = out.decode().split()
        return await self._commits(ids) if ids else []

    async def _commits(self, ids: Sequence[str]) -> list[CommitInfo]:
        asked = "".join(f"{commit}\n" for commit in ids).encode()
        out = await self._git.output("cat-file", "--batch", stdin=asked)
        found = zip(ids, objects(ids, out, "commit"), strict=True)
        return [CommitInfo(commit, raw) for commit, raw in found]

    async def _prepare(self) -> None:
        if not self._ready and not (self._dir / "HEAD").exists():
            self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self._git.output("init", "--quiet", "--bare", "--template=", str(self._dir))
        self._ready = True
        packs = [*(self._dir / "objects" / "pack").glob("*.pack")]
        kept = sum(pack.stat().st_size for pack in packs)
        if len(packs) > MAX_PACKS or kept > 2 * self._git.limits.fetch_bytes:
            await self._tidy()

    async def _tidy(self) -> None:
        """Make one pack of what the refs need; what was refused since then goes."""
        seconds = self._git.limits.fetch_seconds
        code, _, err = await self._git.run("repack", "-a", "-d", "--quiet", seconds=seconds)
        if code != 0:
            most = self._git.limits.fetch_bytes
            raise GitRefused(f"the history needs more than {most} bytes: {said(err)}")

    async def _promote(
        self,
        refs: Iterable[str],
        held: Mapping[str, str],
        offers: Mapping[str, str | None],
        seen: Seen,
    ) -> Fetched:
        """Take what the server offers for each local ref, if it continues what was known of it."""
        kept: dict[str, str | None] = {ref: held.get(ref) for ref in refs}
        refused: dict[str, str] = {}
        taken: list[str] = []
        for ref, old in kept.items():
            new = offers.get(ref)
            if why := await self._break(ref, new, ref in offers, old, seen):
                refused[ref] = why
            elif new and new != old:
                taken.append(update(ref, new, old))
                kept[ref] = new
        await self._update(taken)
        return Fetched(kept, refused)

    async def _break(
        self, ref: str, new: str | None, offered: bool, old: str | None, seen: Seen
    ) -> str:
        """Return why `new` does not continue what was known, or nothing where it does."""
        known = [*dict.fromkeys(commit for commit in (old, seen.tips.get(ref)) if commit)]
        if new is None:
            if known:
                return seen.gone(ref, known[-1])
            return f"{ref} is not a commit at the server" if offered else ""
        if ref.startswith(APPROVALS):
            return await self._lost(ref, old, new) if old and old != new else ""
        for commit in known if new not in seen.rewritten else ():
            if new != commit and not await self.is_ancestor(commit, new):
                return seen.moved(ref, new, commit)
        return ""

    async def _lost(self, ref: str, old: str, new: str) -> str:
        """Return which approvals a new tip lacks. It may have another history: pushes race."""
        lost = {*await self.tree(old, recursive=True)} - {*await self.tree(new, recursive=True)}
        if not lost:
            return ""
        name = shown(min(entry.name for entry in lost))
        keep = f"commit {short(old)}, seen before, stays in force"
        return f"{ref} at {short(new)} lost or changed {name}; {keep}"

    async def _discard(self, refs: Iterable[str]) -> None:
        with contextlib.suppress(GitUnavailable, GitRefused):
            await self._update([removal(ref) for ref in await self._tips(refs)])

    async def _update(self, commands: Sequence[str]) -> None:
        """Change refs, all or none."""
        if commands:
            stdin = "".join(commands).encode()
            await self._git.output("update-ref", "--no-deref", "-z", "--stdin", stdin=stdin)


def _unreadable(file: TreeEntry, limit: int) -> GitRefused | None:
    if not file.regular:
        return GitRefused(f"{shown(file.name, 200)} has mode {file.mode}, expected a plain file")
    if file.size > limit:
        return GitRefused(f"{shown(file.name, 200)} has {file.size} bytes, at most {limit}")
    return None


def _groups(files: Mapping[int, TreeEntry]) -> Iterator[list[int]]:
    """Yield the numbers of files in groups whose bytes fit into one answer."""
    group: list[int] = []
    size = 0
    for n, file in files.items():
        if group and size + file.size > _MAX_BATCH:
            yield group
            group, size = [], 0
        group.append(n)
        size += file.size
    if group:
        yield group
