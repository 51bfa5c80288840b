"""What people and programs do on a Gitea, over its real API: one client an account.

Tests and the demo use it. Interlock itself does not: it has a client of its own, which trusts
nothing that it is told.
"""

import base64
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

How = Literal["merge", "squash", "rebase", "rebase-merge", "fast-forward-only"]
Event = Literal["APPROVED", "REQUEST_CHANGES", "COMMENT"]
Json = dict[str, Any]
_SECONDS = 30.0
_PAGE = 50
_POLL = 0.05
_STILL_LOOKING = "Please try again later"


class ForgeError(RuntimeError):
    """The forge refused; `status` is what it answered."""

    def __init__(self, asked: str, status: int, said: str) -> None:
        super().__init__(f"{asked} answered {status}: {said}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody on the forge: a name that may change, and the number that never does."""

    name: str
    id: int
    email: str
    password: str
    token: str


@dataclass(frozen=True, slots=True)
class Client:
    """The forge, as the owner of `token` may use it."""

    url: str
    ca_file: Path
    token: str

    @classmethod
    def admin(cls, outputs: Mapping[str, str]) -> "Client":
        """The administrator's, of a running sandbox with the part `gitea`."""
        token = Path(outputs["gitea_admin_token_file"]).read_text()
        return cls(outputs["gitea_url"], Path(outputs["gitea_ca_file"]), token)

    def of(self, account: Account) -> "Client":
        """The same forge, as this account may use it."""
        return Client(self.url, self.ca_file, account.token)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that `/api/v1` + `path` answers, None if it answers nothing.

        Raises ForgeError for any status but 2xx.
        """
        return self._ask(method, path, body, f"token {self.token}")

    def _ask(self, method: str, path: str, body: object, authorization: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own server on loopback
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": authorization},
        )
        context = ssl.create_default_context(cafile=self.ca_file)
        own = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        try:
            with urllib.request.build_opener(*own).open(request, timeout=_SECONDS) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise ForgeError(f"{method} {path}", error.code, said) from error
        return json.loads(content) if content else None

    # What an administrator does.

    def create_account(
        self, name: str, *, email: str = "", scopes: tuple[str, ...] = ("all",)
    ) -> Account:
        """A new person or program, with a password and a token of these scopes."""
        password, email = secrets.token_urlsafe(24), email or f"{name}@forge.example"
        wish = {"username": name, "email": email, "password": password}
        made = self.ask("POST", "/admin/users", wish | {"must_change_password": False})
        login = base64.b64encode(f"{name}:{password}".encode()).decode()
        wanted = {"name": "sandbox", "scopes": list(scopes)}
        token = self._ask("POST", f"/users/{name}/tokens", wanted, f"Basic {login}")
        return Account(name, int(made["id"]), email, password, token["sha1"])

    def rename_account(self, name: str, new: str) -> None:
        """Gives an account another name; its number stays."""
        self.ask("POST", f"/admin/users/{name}/rename", {"new_username": new})

    def create_repository(self, repository: str) -> str:
        """A new empty private `organization/name`; its clone URL.

        It belongs to the organization, so that nobody but an administrator has rights in it
        who is not granted them.
        """
        organization, _, name = repository.partition("/")
        try:
            self.ask("POST", "/orgs", {"username": organization, "visibility": "public"})
        except ForgeError as error:
            if error.status != 422:  # it is there
                raise
        wish = {"name": name, "private": True, "default_branch": "main"}
        made: Json = self.ask("POST", f"/orgs/{organization}/repos", wish)
        return str(made["clone_url"])

    def grant(self, repository: str, account: str, permission: str) -> None:
        """Lets somebody `read`, `write` or `admin` a repository."""
        path = f"/repos/{repository}/collaborators/{account}"
        self.ask("PUT", path, {"permission": permission})

    def protect(self, repository: str, **rule: object) -> None:
        """Protects `main`; a rule as Gitea's API names it."""
        self.ask("POST", f"/repos/{repository}/branch_protections", {"rule_name": "main"} | rule)

    def create_webhook(
        self, repository: str, url: str, secret: str, events: tuple[str, ...]
    ) -> None:
        """Has the forge post these events there, with an HMAC-SHA256 of `secret`."""
        config = {"url": url, "content_type": "json", "secret": secret}
        wish = {"type": "gitea", "active": True, "config": config, "events": list(events)}
        self.ask("POST", f"/repos/{repository}/hooks", wish)

    # What authors and reviewers do.

    def open_pull(self, repository: str, head: str, title: str, *, base: str = "main") -> int:
        """Proposes the branch `head` (`account:branch` of a fork) for `base`; its number."""
        wish = {"head": head, "base": base, "title": title}
        return int(self.ask("POST", f"/repos/{repository}/pulls", wish)["number"])

    def pull(self, repository: str, number: int) -> Json:
        """A pull request as it is now."""
        found: Json = self.ask("GET", f"/repos/{repository}/pulls/{number}")
        return found

    def close_pull(self, repository: str, number: int) -> None:
        """Gives it up."""
        self.ask("PATCH", f"/repos/{repository}/pulls/{number}", {"state": "closed"})

    def review(
        self, repository: str, number: int, event: Event, *, commit: str = "", body: str = ""
    ) -> int:
        """Reviews a pull request, at its head unless `commit` says another; the review's id.

        Gitea wants a body with all but an approval.
        """
        wish = {"event": event, "body": body, "commit_id": commit}
        return int(self.ask("POST", f"/repos/{repository}/pulls/{number}/reviews", wish)["id"])

    def reviews(self, repository: str, number: int) -> list[Json]:
        """All reviews of a pull request, in the order in which they were made."""
        found: list[Json] = []
        path = f"/repos/{repository}/pulls/{number}/reviews?limit={_PAGE}"
        while page := self.ask("GET", f"{path}&page={len(found) // _PAGE + 1}"):
            found += page
            if len(page) < _PAGE:
                break
        return found

    def dismiss(self, repository: str, number: int, review: int, message: str) -> None:
        """Takes the force from somebody's review; needs `admin` in the repository."""
        path = f"/repos/{repository}/pulls/{number}/reviews/{review}/dismissals"
        self.ask("POST", path, {"message": message, "priors": False})

    def comments(self, repository: str, number: int) -> list[str]:
        """What was said under a pull request, oldest first; reviews are no comments."""
        found = self.ask("GET", f"/repos/{repository}/issues/{number}/comments")
        return [str(each["body"]) for each in found]

    def merge(self, repository: str, number: int, how: How = "merge", *, head: str = "") -> str:
        """Merges once the forge knows that there is no conflict; the commit that is in the base.

        `head` is the only head that is merged, if given.
        """
        wish = {"Do": how, "head_commit_id": head}
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                self.ask("POST", f"/repos/{repository}/pulls/{number}/merge", wish)
                return str(self.pull(repository, number)["merge_commit_sha"])
            except ForgeError as error:
                if _STILL_LOOKING not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL)

    # What programs do.

    def set_status(
        self, repository: str, commit: str, context: str, state: str, description: str
    ) -> None:
        """Puts a check on a commit: `pending`, `success`, `failure`, `error` or `warning`."""
        wish = {"context": context, "state": state, "description": description}
        self.ask("POST", f"/repos/{repository}/statuses/{commit}", wish)

    def statuses(self, repository: str, commit: str) -> dict[str, Json]:
        """The newest check of each context on a commit."""
        found = self.ask("GET", f"/repos/{repository}/commits/{commit}/status")
        return {each["context"]: each for each in found["statuses"] or ()}

    def credentials(self, account: Account) -> str:
        """A line for `git credential-store`: how this account fetches and pushes."""
        where = urlsplit(self.url)
        return urlunsplit(
            (where.scheme, f"{account.name}:{account.token}@{where.netloc}", "", "", "")
        )
