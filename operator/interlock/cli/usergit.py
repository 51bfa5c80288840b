"""The user's own clone: where a file comes from, and how an approval is pushed.

Beside `evidence/git.py` the only module that starts git. It works with the user's own
configuration and credentials on the user's own repository, and uses plumbing only: nothing is
checked out and no branch moves. Foreign bytes are read elsewhere.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from interlock.cli.exits import BadInput, Failed, Refused
from interlock.policy import Policy, queries
from interlock.policy.model import SourceGrant

MAX_TRIES = 5
"""How often a push is tried again after somebody else's."""
MAX_FILES = 64
MAX_LISTED = 1024
"""Files of one folder that are looked at."""
MAX_BYTES = 256 * 1024
PULLS = ("refs/pull/{}/head", "refs/merge-requests/{}/head")
"""Where forges keep the head of a pull request: Gitea, Forgejo and GitHub; GitLab."""
MAX_COMMITS = 200
"""How far back a file's history is searched."""
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")


class Clone(NamedTuple):
    """A working copy."""

    top: Path
    commit: str = "HEAD"
    """Whose files are meant: what is checked out, or the head of a pull request."""

    @classmethod
    def around(cls, file: Path) -> "Clone | None":
        """Return the clone in which a file lies, or would lie; or None."""
        folder = next(each for each in file.resolve().parents if each.is_dir())
        done = _run(folder, "rev-parse", "--show-toplevel")
        return cls(Path(done.stdout.decode().rstrip("\n"))) if done.returncode == 0 else None

    @property
    def git_dir(self) -> Path:
        """Where its objects and refs are."""
        return Path(self._out("rev-parse", "--absolute-git-dir"))

    @property
    def head(self) -> str:
        """The id of the commit that is meant."""
        return self._out("rev-parse", "--verify", f"{self.commit}^{{commit}}")

    @property
    def branch(self) -> str:
        """The ref that is checked out, or nothing."""
        done = _run(self.top, "symbolic-ref", "--quiet", "HEAD")
        return done.stdout.decode().strip()

    def relative(self, file: Path) -> str:
        """Return a file's path as git names it."""
        return file.resolve().relative_to(self.top.resolve()).as_posix()

    def committed(self, path: str) -> bytes:
        """Return a file as the commit has it.

        Raises Refused where it has none, or the working copy of what is checked out differs.
        """
        done = _run(self.top, "cat-file", "blob", f"{self.commit}:{path}")
        if self.commit != "HEAD":
            if done.returncode != 0:
                raise Refused(f"the pull request has no file {path}.")
            return done.stdout
        if done.returncode != 0:
            raise Refused(f"{path} is not committed. Commit and push it first.")
        if _run(self.top, "diff", "--quiet", "HEAD", "--", path).returncode != 0:
            raise Refused(
                f"{path} differs from what is committed. An approval is of the committed file: "
                "commit the change, or restore the file."
            )
        return done.stdout

    def versions(self, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield the commits that changed a file, with the file as each has it, newest first."""
        limit = f"--max-count={MAX_COMMITS}"
        for commit in self._out("rev-list", limit, self.commit, "--", path).split():
            done = _run(self.top, "cat-file", "blob", f"{commit}:{path}")
            if done.returncode == 0:
                yield commit, done.stdout

    def folder(self, commit: str, path: str) -> dict[str, bytes]:
        """Return the small plain files of a folder as a commit has it, by name; none for none."""
        listed = _run(self.top, "ls-tree", "-z", "-l", "--end-of-options", f"{commit}:{path}")
        return {
            name: _run(self.top, "cat-file", "blob", blob).stdout
            for mode, blob, size, name in _entries(listed.stdout)[:MAX_LISTED]
            if mode == "100644" and size <= MAX_BYTES
        }

    def pull(self, number: int, policy: Policy) -> "Clone":
        """Return this clone with the head of a pull request, fetched just now, as what is meant.

        It is one of the repository that governance names, and not of somebody's fork of it. Nothing
        is checked out. Raises Refused where there is no such pull request.
        """
        spaces = policy.namespaces.namespaces.values()
        granted = {place(source.url) for space in spaces for source in space.repositories}
        refs = [pattern.format(number) for pattern in PULLS]
        for url in (url for url in self.remotes() if place(url) in granted):
            for ref in refs:
                if tip := self.remote_tip(url, ref, {}):
                    return self._replace(commit=tip)
        raise Refused(
            f"no remote of this clone that governance names has a pull request {number} "
            f"({' or '.join(refs)})."
        )

    def setting(self, key: str) -> str:
        """Return a value of the user's git configuration, `~` resolved; empty for none."""
        done = _run(self.top, "config", "--type=path", "--get", key)
        return done.stdout.decode().strip()

    def remotes(self) -> list[str]:
        """Return the URLs of all remotes."""
        lines = self._out("remote", "-v").splitlines()
        return list(dict.fromkeys(line.split("\t")[1].rpartition(" ")[0] for line in lines))

    def add_file(
        self,
        url: str,
        ref: str,
        name: str,
        data: bytes,
        *,
        author: str,
        access: Mapping[str, str],
        room: int = MAX_FILES,
    ) -> str:
        """Add a file to the flat tree of a remote ref, keeping all that is there, `room` at most.

        Somebody else's push in between is no loss: the file is added to theirs. Returns the commit.
        """
        blob = self._out("hash-object", "-w", "--stdin", stdin=data)
        for _ in range(MAX_TRIES):
            old = self.remote_tip(url, ref, access)
            commit = self._commit(old, f"100644 blob {blob}\t{name}", author, room)
            lease = f"--force-with-lease={ref}:{old}"
            done = _run(
                self.top,
                "push",
                "--quiet",
                "--no-verify",
                lease,
                url,
                f"{commit}:{ref}",
                env=access,
            )
            if done.returncode == 0:
                return commit
            if self.remote_tip(url, ref, access) == old:
                raise Failed(f"{url} did not take the approval: {_said(done)}")
        raise Failed(f"{url}: others pushed to {ref} {MAX_TRIES} times in between. Try again.")

    def remote_tip(self, url: str, ref: str, access: Mapping[str, str]) -> str:
        """Return the commit of a remote ref, its objects fetched; empty where there is none."""
        listed = _run(self.top, "ls-remote", "--quiet", url, ref, env=access)
        if listed.returncode != 0:
            raise Failed(f"{url} cannot be read: {_said(listed)}")
        tip = listed.stdout.decode().partition("\t")[0].strip()
        if tip:
            flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
            fetched = _run(self.top, "fetch", *flags, url, ref, env=access)
            if fetched.returncode != 0:
                raise Failed(f"{url} cannot be fetched: {_said(fetched)}")
        return tip

    def _commit(self, old: str, entry: str, author: str, room: int) -> str:
        listed = _run(self.top, "ls-tree", "-z", old).stdout if old else b""
        if listed.count(b"\0") >= room:
            raise Refused(
                f"there are {room} approvals of this content, and no more are read. "
                "Change the content, so that it gets a ref of its own."
            )
        tree = self._out("mktree", "-z", stdin=listed + entry.encode() + b"\0")
        parent = ("-p", old) if old else ()
        # Nothing believes this name; it only keeps git from asking for one.
        who = {"NAME": author, "EMAIL": f"{author}@approvals.invalid"}
        env = {f"GIT_{r}_{k}": v for r in ("AUTHOR", "COMMITTER") for k, v in who.items()}
        return self._out("commit-tree", tree, *parent, "-m", "Add an approval", env=env)

    def _out(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        done = _run(self.top, *args, stdin=stdin, env=env)
        if done.returncode != 0:
            raise Failed(f"git {args[0]} failed in {self.top}: {_said(done)}")
        return done.stdout.decode().strip()


def _entries(listed: bytes) -> list[tuple[str, str, int, str]]:
    """Return (mode, object, size, name) of each blob that `ls-tree -z -l` lists."""
    found = []
    for line in listed.split(b"\0")[:-1]:
        head, _, name = line.partition(b"\t")
        mode, kind, blob, size = head.decode().split()
        if kind == "blob":
            found.append((mode, blob, int(size), name.decode(errors="replace")))
    return found


def source(clone: Clone, policy: Policy, namespace: str, path: str) -> SourceGrant | None:
    """Return the granted source that a file of a clone is delivered from.

    Where several branches are granted, the one that is checked out comes first.
    """
    known = policy.namespaces.namespaces.get(namespace)
    remotes = {place(url) for url in clone.remotes()}
    fitting = [
        one
        for one in (known.repositories if known else [])
        if place(one.url) in remotes
        and queries.source_of(policy, namespace, one.url, one.ref, path) is not None
    ]
    return next((one for one in fitting if one.ref == clone.branch), next(iter(fitting), None))


def place(url: str) -> str:
    """Return host and path of a repository URL, so that its spellings can be compared."""
    if found := _SCP.fullmatch(url):
        url = f"ssh://{found[1]}/{found[2]}"
    _, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{host.rpartition('@')[2].lower()}/{path.strip('/').removesuffix('.git')}"


def _run(
    folder: Path, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "LC_ALL": "C", **(env or {})}
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *args],
            input=stdin,
            capture_output=True,
            check=False,
            env=environment,
        )
    except FileNotFoundError:
        raise BadInput("git was not found. Install it.") from None


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    text = done.stderr.decode(errors="replace").strip().replace("\n", "; ")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)[:400]
