"""The user's own clone: where a file comes from, and how an approval is pushed.

Beside `evidence/git.py` the only module that starts git. It works with the user's own
configuration and credentials on the user's own repository, and uses plumbing only: nothing is
checked out and no branch moves. Foreign bytes are read elsewhere.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from interlock.cli.exits import BadInput, Failed, Refused
from interlock.policy import Policy, queries
from interlock.policy.model import SourceGrant

MAX_TRIES = 5
"""How often a push is tried again after somebody else's."""
MAX_FILES = 64
MAX_COMMITS = 200
"""How far back a file's history is searched."""
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")


class Clone(NamedTuple):
    """A working copy."""

    top: Path

    @classmethod
    def around(cls, file: Path) -> "Clone | None":
        """Return the clone in which a file lies, or None."""
        done = _run(file.resolve().parent, "rev-parse", "--show-toplevel")
        return cls(Path(done.stdout.decode().rstrip("\n"))) if done.returncode == 0 else None

    @property
    def git_dir(self) -> Path:
        """Where its objects and refs are."""
        return Path(self._out("rev-parse", "--absolute-git-dir"))

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return self._out("rev-parse", "--verify", "HEAD^{commit}")

    @property
    def branch(self) -> str:
        """The ref that is checked out, or nothing."""
        done = _run(self.top, "symbolic-ref", "--quiet", "HEAD")
        return done.stdout.decode().strip()

    def relative(self, file: Path) -> str:
        """Return a file's path as git names it."""
        return file.resolve().relative_to(self.top.resolve()).as_posix()

    def committed(self, path: str) -> bytes:
        """Return a file as HEAD has it. Raises Refused unless the working copy is the same."""
        done = _run(self.top, "cat-file", "blob", f"HEAD:{path}")
        if done.returncode != 0:
            raise Refused(f"{path} is not committed. Commit and push it first.")
        if _run(self.top, "diff", "--quiet", "HEAD", "--", path).returncode != 0:
            raise Refused(
                f"{path} differs from what is committed. An approval is of the committed file: "
                "commit the change, or restore the file."
            )
        return done.stdout

    def versions(self, path: str) -> list[bytes]:
        """Return the file as the commits that changed it have it, newest first."""
        limit = f"--max-count={MAX_COMMITS}"
        commits = self._out("rev-list", limit, "HEAD", "--", path).split()
        found = (_run(self.top, "cat-file", "blob", f"{one}:{path}") for one in commits)
        return [done.stdout for done in found if done.returncode == 0]

    def setting(self, key: str) -> str:
        """Return a value of the user's git configuration, `~` resolved; empty for none."""
        done = _run(self.top, "config", "--type=path", "--get", key)
        return done.stdout.decode().strip()

    def remotes(self) -> list[str]:
        """Return the URLs of all remotes."""
        lines = self._out("remote", "-v").splitlines()
        return list(dict.fromkeys(line.split("\t")[1].rpartition(" ")[0] for line in lines))

    def add_file(
        self, url: str, ref: str, name: str, data: bytes, *, author: str, access: Mapping[str, str]
    ) -> str:
        """Add a file to the flat tree of a remote ref, keeping all that is there.

        Somebody else's push in between is no loss: the file is added to theirs. Returns the commit.
        """
        blob = self._out("hash-object", "-w", "--stdin", stdin=data)
        for _ in range(MAX_TRIES):
            old = self._remote_tip(url, ref, access)
            commit = self._commit(old, f"100644 blob {blob}\t{name}", author)
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
            if self._remote_tip(url, ref, access) == old:
                raise Failed(f"{url} did not take the approval: {_said(done)}")
        raise Failed(f"{url}: others pushed to {ref} {MAX_TRIES} times in between. Try again.")

    def _remote_tip(self, url: str, ref: str, access: Mapping[str, str]) -> str:
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

    def _commit(self, old: str, entry: str, author: str) -> str:
        listed = _run(self.top, "ls-tree", "-z", old).stdout if old else b""
        if listed.count(b"\0") >= MAX_FILES:
            raise Refused(
                f"there are {MAX_FILES} approvals of this content, and no more are read. "
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
