"""People at work on the sandbox's real Gitea: clones, branches, pushes, pull requests."""

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, run

from interlock_sandbox.gitea.api import Account, Client, Event, How, Json
from interlock_sandbox.gitea.part import Gitea
from support.parts import running

_SECONDS = 60


class GitFailed(AssertionError):
    """Git ended otherwise than expected; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account with a token and a home folder: everything it does, it does as itself."""

    account: Account
    api: Client
    home: Path

    @property
    def name(self) -> str:
        """The login that it was created with."""
        return self.account.name

    def clone(self, url: str) -> "Clone":
        """A fresh clone in a folder of its own."""
        folder = self.home / f"clone-{next(_NUMBERS)}"
        must(self.git("clone", "--quiet", url, str(folder)))
        return Clone(self, folder)

    def git(self, *arguments: str, folder: Path | None = None) -> CompletedProcess[str]:
        """Git with this account's credentials and nobody's settings."""
        settings = {
            "http.sslCAInfo": str(self.api.ca_file),
            "credential.helper": f"store --file={self.home / 'credentials'}",
            "user.name": self.name,
            "user.email": self.account.email,
            "init.defaultBranch": "main",
            "gc.auto": "0",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        clean = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        return run(
            ["git", *options, *arguments],
            cwd=folder or self.home,
            env=clean,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )


@dataclass(frozen=True, slots=True)
class Clone:
    """A person's working copy."""

    person: Person
    folder: Path

    def git(self, *arguments: str) -> str:
        """What git prints here; GitFailed if it does not end with 0."""
        return must(self.person.git(*arguments, folder=self.folder))

    def commit(
        self, files: Mapping[str, str], branch: str = "main", *, start: str = "", message: str = ""
    ) -> str:
        """Commit files on `branch`, made at `start` if given; the commit."""
        if start:
            self.git("checkout", "--quiet", "-B", branch, start)
        else:
            current = self.person.git("symbolic-ref", "--short", "HEAD", folder=self.folder)
            if current.stdout.strip() != branch:
                self.git("checkout", "--quiet", branch)
        for name, content in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message or f"Change {branch}")
        return self.git("rev-parse", "HEAD")

    def push(self, *refs: str, force: bool = False) -> None:
        """Push refs (`branch`, `from:to`) to where it was cloned from."""
        self.git("push", "--quiet", *(["--force"] if force else []), "origin", *refs)

    def refused(self, *refs: str, force: bool = False) -> str:
        """What the forge says when it does not take a push; GitFailed if it does."""
        done = self.person.git(
            "push", *(["--force"] if force else []), "origin", *refs, folder=self.folder
        )
        if done.returncode == 0:
            raise GitFailed(f"the push of {refs} was taken")
        return done.stderr

    def tip(self, ref: str) -> str:
        """What a ref of the forge points to now; empty if there is none."""
        return self.git("ls-remote", "origin", ref).partition("\t")[0]


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request; who acts on it is said each time."""

    repository: str
    number: int

    def seen_by(self, person: Person) -> Json:
        """The pull request as the API shows it."""
        return person.api.pull(self.repository, self.number)

    def head(self, person: Person) -> str:
        """The commit at its head, as the forge knows it."""
        return str(self.seen_by(person)["head"]["sha"])

    def review(
        self, person: Person, event: Event = "APPROVED", *, commit: str = "", body: str = ""
    ) -> int:
        """Somebody reviews it; the review's id."""
        text = body or f"{event.lower()} by {person.name}"
        return person.api.review(self.repository, self.number, event, commit=commit, body=text)

    def reviews(self, person: Person) -> dict[int, Json]:
        """All reviews by their id."""
        return {int(each["id"]): each for each in person.api.reviews(self.repository, self.number)}

    def dismiss(self, person: Person, review: int, message: str = "not enough") -> None:
        """Somebody with `admin` takes the force from a review."""
        person.api.dismiss(self.repository, self.number, review, message)

    def merge(self, person: Person, how: How = "merge", *, head: str = "") -> str:
        """Somebody merges it; the commit that is in the base now."""
        return person.api.merge(self.repository, self.number, how, head=head)

    def close(self, person: Person) -> None:
        """Somebody gives it up."""
        person.api.close_pull(self.repository, self.number)


class Forge:
    """The running Gitea and its administrator."""

    def __init__(self, outputs: Mapping[str, str], folder: Path) -> None:
        self.outputs = outputs
        self.admin = Client.admin(outputs)
        self._folder = folder

    @property
    def url(self) -> str:
        """Its address, as `accounts[].forge` of people.yaml names it."""
        return self.admin.url

    def person(self, name: str, *, scopes: tuple[str, ...] = ("all",)) -> Person:
        """A new account; names need not be new, a number is put behind each."""
        account = self.admin.create_account(f"{name}-{next(_NUMBERS)}", scopes=scopes)
        home = self._folder / account.name
        home.mkdir(mode=0o700)
        credentials = home / "credentials"
        credentials.touch(mode=0o600)
        credentials.write_text(self.admin.credentials(account) + "\n")
        return Person(account, self.admin.of(account), home)

    def repository(self, name: str, *writers: Person) -> str:
        """A new empty private `organization/name`, with a number behind it; who may write to it."""
        full = f"{name}-{next(_NUMBERS)}"
        self.admin.create_repository(full)
        for person in writers:
            self.admit(full, person)
        return full

    def admit(self, repository: str, person: Person, permission: str = "write") -> None:
        """Lets somebody `read`, `write` or `admin` a repository."""
        self.admin.grant(repository, person.name, permission)

    def clone_url(self, repository: str) -> str:
        """Where git finds a repository."""
        return f"{self.url}/{repository}.git"

    def started(self, repository: str, person: Person, files: Mapping[str, str]) -> Clone:
        """The clone of a person who pushed the first commit to `main`."""
        clone = person.clone(self.clone_url(repository))
        clone.commit(files, message="Begin")
        clone.push("main")
        return clone

    def propose(
        self, repository: str, clone: Clone, branch: str, files: Mapping[str, str]
    ) -> tuple[Pull, str]:
        """A branch from `main` with one commit, pushed and proposed; and that commit."""
        clone.git("fetch", "--quiet", "origin")
        head = clone.commit(files, branch, start="origin/main")
        clone.push(branch)
        number = clone.person.api.open_pull(repository, branch, f"Change {branch}")
        return Pull(repository, number), head


@contextmanager
def forge(folder: Path) -> Iterator[Forge]:
    """A Gitea without a sandbox around it, for tests that need nothing else."""
    people = folder / "people"
    people.mkdir()
    with running(Gitea(), folder) as outputs:
        yield Forge(outputs, people)


def must(done: CompletedProcess[str]) -> str:
    """What a command printed; GitFailed if it did not end with 0."""
    if done.returncode != 0:
        raise GitFailed(f"{' '.join(done.args)} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip()


_NUMBERS = itertools.count(1)
