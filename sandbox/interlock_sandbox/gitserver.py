"""A real HTTPS git server with accounts: repositories of teams, approvals and governance.

`git http-backend` does the git; `git_http` puts TLS, passwords and limits in front of it.
Not a forge: no pull requests, and an account's right to push covers every repository.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox.git_http import is_repository
from interlock_sandbox.pki import Authority, write_secret
from interlock_sandbox.process import Spec, free_port, http_ok

# Who has an account, and whether it may push. What a push proves is nobody's business here:
# approvals and governance carry signatures of their own.
ACCOUNTS: Mapping[str, bool] = {
    "interlock": False,
    "syncer": False,
    "team": True,
    "approver": True,
    "security": True,
}
# No maintenance behind a push's back: it would outlive the sandbox.
_SETTINGS = {"receive.autogc": "false", "gc.auto": "0", "maintenance.auto": "false"}


class GitServer:
    """One git server on loopback with its own certificate authority.

    A repository whose name begins with `hang-` accepts the connection and the login and then
    never answers `info/refs`: the git server that hangs.
    """

    name = "git"

    def __init__(self) -> None:
        self._home = Path()
        self._url = ""

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program; repositories lie under `home/git/repos`."""
        self._home = home / self.name
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._repositories.mkdir(exist_ok=True)
        port = free_port()
        self._url = f"https://127.0.0.1:{port}"
        pair = Authority(self._home).server("server", ["127.0.0.1", "localhost"])
        accounts = {
            user: {"password": self._new_password(user, port), "push": push}
            for user, push in ACCOUNTS.items()
        }
        config = {"port": port, "repositories": str(self._repositories), "accounts": accounts}
        config |= {"cert": str(pair.cert), "key": str(pair.key)}
        write_secret(self._config, json.dumps(config).encode())
        return [
            Spec(
                name=self.name,
                argv=(sys.executable, "-m", "interlock_sandbox.git_http", str(self._config)),
                cwd=self._home,
                ready=lambda: http_ok(f"{self._url}/healthz", self._ca_file),
                hint="It needs git 2.28 or later with `git http-backend`.",
            )
        ]

    def outputs(self) -> Mapping[str, str]:
        """Where it listens, whom to trust, and each account's token and credential-store file."""
        tokens = {f"git_{user}_token_file": str(self._token_file(user)) for user in ACCOUNTS}
        stores = {
            f"git_{user}_credentials_file": str(self._credentials_file(user)) for user in ACCOUNTS
        }
        places = {
            "git_url": self._url,
            "git_ca_file": str(self._ca_file),
            "git_repositories": str(self._repositories),
        }
        return places | tokens | stores

    @property
    def _repositories(self) -> Path:
        return self._home / "repos"

    @property
    def _config(self) -> Path:
        return self._home / "server.json"

    @property
    def _ca_file(self) -> Path:
        return self._home / "ca.crt"

    def _token_file(self, user: str) -> Path:
        return self._home / f"{user}.token"

    def _credentials_file(self, user: str) -> Path:
        return self._home / f"{user}.credentials"

    def _new_password(self, user: str, port: int) -> str:
        password = secrets.token_urlsafe(24)
        write_secret(self._token_file(user), password.encode())
        line = f"https://{user}:{password}@127.0.0.1:{port}\n"
        write_secret(self._credentials_file(user), line.encode())
        return password


def create_repository(outputs: Mapping[str, str], name: str) -> str:
    """A new empty bare repository `<name>.git`, or `<group>/<name>.git`; its URL.

    `outputs` are those of the running sandbox: any process may ask.
    """
    if not is_repository(f"{name}.git"):
        raise ValueError(
            f"{name!r} is no repository name: expected `name` or `group/name` of letters, "
            "digits, `.`, `_` and `-`, each beginning with a letter or digit."
        )
    folder = Path(outputs["git_repositories"], f"{name}.git")
    _git("init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    for key, value in _SETTINGS.items():
        _git("-C", str(folder), "config", key, value)
    return f"{outputs['git_url']}/{name}.git"


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, timeout=30)
