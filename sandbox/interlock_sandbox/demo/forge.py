"""The story's forge: everybody's own account, the repositories, and pull requests.

What is typed at a forge is a click on its pages; here it is a request to its API, and one line
says so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from interlock_sandbox.demo import show
from interlock_sandbox.gitea.api import Account, Client
from interlock_sandbox.pki import write_secret


class Check(NamedTuple):
    """A check on a commit; its state is empty where there is none."""

    state: str
    text: str


class Forge:
    """A real Gitea; what is asked of it is asked as the person who would."""

    def __init__(self, outputs: Mapping[str, str], home: Path) -> None:
        self.url = outputs["gitea_url"]
        self.ca_file = outputs["gitea_ca_file"]
        self._home = home
        self._admin = Client.admin(outputs)
        self._accounts: dict[str, Account] = {}

    def join(self, person: str) -> Account:
        """An account for a person or a program, and the files with its secrets."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        account = self._accounts[person] = self._admin.create_account(person)
        files = {
            self.password_file(person): account.password,
            self.token_file(person): account.token,
            self.login_file(person): f"{account.name}:{account.token}",
            self.credentials_file(person): self._admin.credentials(account) + "\n",
        }
        for file, content in files.items():
            write_secret(file, content.encode())
        return account

    @property
    def people(self) -> tuple[str, ...]:
        """Whoever joined."""
        return tuple(self._accounts)

    def id_of(self, person: str) -> int:
        """The number of somebody's account."""
        return self._accounts[person].id

    def password_file(self, person: str) -> Path:
        """What a person types on the log-in page."""
        return self._home / f"{person}.password"

    def token_file(self, person: str) -> Path:
        """What the API wants."""
        return self._home / f"{person}.token"

    def login_file(self, person: str) -> Path:
        """`name:token`, which git wants."""
        return self._home / f"{person}.login"

    def credentials_file(self, person: str) -> Path:
        """What git reads."""
        return self._home / f"{person}.credentials"

    def create(self, repository: str, *, write: tuple[str, ...], read: tuple[str, ...]) -> str:
        """A new repository that these may use; its URL."""
        url = self._admin.create_repository(repository)
        for permission, persons in (("write", write), ("read", read)):
            for person in persons:
                self._admin.grant(repository, person, permission)
        return url

    def open_pull(self, person: str, repository: str, branch: str, title: str) -> int:
        """Somebody proposes a branch that was pushed; the number of the pull request."""
        number = self._as(person).open_pull(repository, branch, title)
        show.say(f"{person} opens pull request #{number}: {title}")
        return number

    def approve(self, person: str, repository: str, number: int) -> None:
        """Somebody approves what is at the head of a pull request."""
        self._as(person).review(repository, number, "APPROVED")
        show.say(f"{person} approves pull request #{number}")

    def merge(self, person: str, repository: str, number: int) -> str:
        """Somebody merges it; the commit that is on `main` now."""
        commit = self._as(person).merge(repository, number)
        show.say(f"{person} merges pull request #{number}: {commit[:10]} is on main")
        return commit

    def check(self, person: str, repository: str, number: int, context: str) -> Check:
        """What stands as a check beside the head of a pull request now."""
        client = self._as(person)
        head = str(client.pull(repository, number)["head"]["sha"])
        found = client.statuses(repository, head).get(context, {})
        return Check(str(found.get("status", "")), str(found.get("description", "")))

    def comments(self, person: str, repository: str, number: int) -> list[str]:
        """What was said under a pull request, oldest first."""
        return self._as(person).comments(repository, number)

    def _as(self, person: str) -> Client:
        return self._admin.of(self._accounts[person])
