"""A commit on a branch of its own in the user's clone, and its push.

Nothing is checked out and the user's index is not touched, so that a proposal can be made beside
unfinished work, and one that is cut short leaves at most a branch. Made again, it goes on: a branch
that holds the very same files is pushed as it is.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from git import GitCommandError, Repo
from git.exc import GitError

from interlock.evidence.http import shown
from interlock_pipelines.errors import BadInput, PipelineError, Refused, Unavailable

_FILE = "100644"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A branch that others can see."""

    branch: str
    commit: str
    remote: str
    said: str
    """What the server said about it, such as where to open the pull request."""


class Clone:
    """The user's own clone, with the user's own configuration. Methods raise PipelineError."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self.top = Path(repo.working_dir).resolve()

    @classmethod
    def around(cls, file: Path) -> "Clone":
        """Return the clone in which a file lies. Raises BadInput."""
        try:
            return cls(Repo(file.resolve().parent, search_parent_directories=True))
        except GitError:
            raise BadInput(
                f"{file} lies in no git repository. Propose in a clone of the team's."
            ) from None

    def path(self, file: Path) -> str:
        """Return a file's path as git names it. Raises BadInput for one outside."""
        try:
            return file.resolve().relative_to(self.top).as_posix()
        except ValueError:
            raise BadInput(f"{file} lies outside of the clone {self.top}.") from None

    def commit_of(self, name: str) -> str:
        """Return the commit that a branch, tag or commit names."""
        try:
            return str(self._repo.git.rev_parse("--verify", "--quiet", f"{name}^{{commit}}"))
        except GitCommandError:
            raise BadInput(f"{shown(name, 120)!r} names no commit of this clone.") from None

    def file(self, commit: str, path: str) -> bytes | None:
        """Return a file as a commit has it; None where it has none."""
        entry = str(self._repo.git.ls_tree(commit, "--", path)).split()
        if len(entry) < 3 or entry[1] != "blob":
            return None
        data: bytes = self._repo.git.cat_file(
            "blob", entry[2], stdout_as_string=False, strip_newline_in_stdout=False
        )
        return data

    def commit(self, base: str, files: Mapping[str, bytes], branch: str, message: str) -> str:
        """Return the commit of a branch that holds `base` with these files, made if it is not."""
        with self._asking():
            tree = self._tree(base, files)
            ref = f"refs/heads/{branch}"
            old = str(self._repo.git.for_each_ref("--format=%(objectname)", ref))
            if old and self._holds(old, tree, base):
                return old
            if old:
                raise Refused(
                    f"The branch {branch} is there and holds something else. Delete it, or give "
                    "another --branch."
                )
            commit = str(self._repo.git.commit_tree(*self._signing(), tree, p=base, m=message))
            self._repo.git.update_ref(ref, commit, "")
            return commit

    def push(self, remote: str, branch: str, commit: str) -> Pushed:
        """Push a branch; it must be new at the remote, or already there as it is."""
        ref = f"refs/heads/{branch}"
        with self._asking():
            url = str(self._repo.git.remote("get-url", "--push", "--", remote))
            there = str(self._repo.git.ls_remote("--quiet", "--", remote, ref)).partition("\t")[0]
            if there == commit:
                return Pushed(branch, commit, url, "")
            if there:
                raise Refused(
                    f"{remote} has a branch {branch} with another commit. Somebody proposed the "
                    "same there: look at it, delete it, or give another --branch."
                )
            _, _, said = self._repo.git.push(
                "--quiet", "--", remote, f"{commit}:{ref}", with_extended_output=True
            )
            return Pushed(branch, commit, url, _lines(said))

    def _tree(self, base: str, files: Mapping[str, bytes]) -> str:
        """Return `base`'s tree with these files in it, made in an index of its own."""
        git = self._repo.git
        with (
            tempfile.TemporaryDirectory(prefix="interlock-") as folder,
            git.custom_environment(GIT_INDEX_FILE=str(Path(folder, "index"))),
        ):
            git.read_tree(base)
            for path, data in files.items():
                place = Path(folder, "file")
                place.write_bytes(data)
                blob = git.hash_object("-w", "--no-filters", "--", place)
                git.update_index("--add", "--cacheinfo", f"{self._mode(base, path)},{blob},{path}")
            return str(git.write_tree())

    def _mode(self, base: str, path: str) -> str:
        entry = str(self._repo.git.ls_tree(base, "--", path)).split()
        return entry[0] if entry and entry[1] == "blob" else _FILE

    def _holds(self, commit: str, tree: str, base: str) -> bool:
        found = self._repo.git.rev_parse(f"{commit}^{{tree}}", f"{commit}^@")
        return str(found).split() == [tree, base]

    def _signing(self) -> tuple[str, ...]:
        """Sign as the user's configuration says: `commit-tree` alone would not look."""
        reader = self._repo.config_reader()
        return ("-S",) if reader.get_value("commit", "gpgSign", default=False) else ()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            # Nobody answers a question in CI; a missing password is an error, not a wait.
            quiet = {} if sys.stdin.isatty() else {"GIT_TERMINAL_PROMPT": "0"}
            with self._repo.git.custom_environment(**quiet):
                yield
        except PipelineError:
            raise
        except GitCommandError as error:
            said = _lines(str(error.stderr).removeprefix("\n  stderr: ").strip("'"))
            verb = error.command[1] if len(error.command) > 1 else "command"
            kind = Unavailable if verb in ("push", "ls-remote") else Refused
            raise kind(f"git {verb} failed in {self.top}: {said}") from error


def _lines(text: str) -> str:
    """Return what a server said, each line shown for what it is."""
    lines = [line.removeprefix("remote:").strip() for line in text.splitlines()]
    return "\n".join(shown(line, 200) for line in lines if line)
