"""Small real git repositories in a folder, made by the real git."""

import os
from collections.abc import Mapping
from pathlib import Path
from subprocess import run

from interlock.evidence.git import Limits, Mirror

MAIN = "refs/heads/main"


class Repo:
    """A bare repository that serves as a remote; commits are made by plumbing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(folder), bare=False)
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")

    @property
    def url(self) -> str:
        """Where a mirror fetches it."""
        return f"file://{self.path}"

    def git(
        self,
        *args: str,
        stdin: bytes = b"",
        bare: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run git here; its output without the last line end."""
        base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
        where = ["--git-dir", str(self.path)] if bare else []
        done = run(
            ["git", *where, *args],
            input=stdin,
            check=True,
            capture_output=True,
            env=base | _identity("developer-1") | dict(env or {}),
        )
        return done.stdout.decode().rstrip("\n")

    def blob(self, data: bytes) -> str:
        """Store bytes; their object id."""
        return self.git("hash-object", "-w", "--stdin", stdin=data)

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """Store a tree of (mode, name, object id)."""
        kinds = {"040000": "tree", "160000": "commit"}
        lines = [f"{mode} {kinds.get(mode, 'blob')} {sha}\t{name}" for mode, name, sha in entries]
        return self.git("mktree", "--missing", stdin="".join(f"{one}\n" for one in lines).encode())

    def commit(
        self,
        files: dict[str, bytes],
        *,
        ref: str = MAIN,
        person: str = "developer-1",
        parents: tuple[str, ...] | None = None,
        message: str = "change",
        key: Path | None = None,
        **env: str,
    ) -> str:
        """Commit exactly `files` on top of `ref` (or `parents`), signed where a key is given."""
        index = {"GIT_INDEX_FILE": str(self.path / f"index-{os.urandom(4).hex()}")}
        for name, data in files.items():
            entry = f"100644,{self.blob(data)},{name}"
            self.git("update-index", "--add", "--cacheinfo", entry, env=index)
        tree = self.git("write-tree", env=index)
        return self.commit_tree(
            tree, ref=ref, person=person, parents=parents, message=message, key=key, **env
        )

    def commit_tree(
        self,
        tree: str,
        *,
        ref: str = MAIN,
        person: str = "developer-1",
        parents: tuple[str, ...] | None = None,
        message: str = "change",
        key: Path | None = None,
        **env: str,
    ) -> str:
        """Commit a tree and move `ref` there."""
        if parents is None:
            tip = self.git("for-each-ref", "--format=%(objectname)", ref)
            parents = (tip,) if tip else ()
        options = [word for parent in parents for word in ("-p", parent)]
        settings = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={key}"] if key else []
        options += ["-S"] if key else []
        commit = self.git(
            *settings,
            "commit-tree",
            *options,
            tree,
            stdin=message.encode(),
            env=_identity(person) | env,
        )
        self.git("update-ref", ref, commit)
        return commit


def mirror(folder: Path, *, seconds: float = 20.0, fetch_bytes: int = 1 << 24) -> Mirror:
    """A mirror that may fetch from local paths."""
    limits = Limits(fetch_seconds=seconds, read_seconds=20.0, fetch_bytes=fetch_bytes)
    return Mirror(folder, limits=limits, allow_file=True)


def _identity(person: str) -> dict[str, str]:
    return {
        "GIT_AUTHOR_NAME": person,
        "GIT_AUTHOR_EMAIL": f"{person}@line-4.example",
        "GIT_COMMITTER_NAME": person,
        "GIT_COMMITTER_EMAIL": f"{person}@line-4.example",
        "GIT_AUTHOR_DATE": "2026-11-20T10:00:00Z",
        "GIT_COMMITTER_DATE": "2026-11-20T10:00:00Z",
    }
