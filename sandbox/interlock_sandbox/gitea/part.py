"""A real Gitea on loopback: HTTPS of the sandbox's own authority, SQLite, one administrator.

Everybody else is made through its API (`gitea.api`), by whoever needs them: which persons there
are, and who may what, is the business of a test or of the demo.
"""

import os
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox import tools
from interlock_sandbox.pki import Authority, Pair, write_secret
from interlock_sandbox.process import Spec, free_port, http_ok

ADMIN = "forge-admin"
# Gitea refuses to run as root, and it should. In a user namespace in which our user is called
# this number it has no privilege, and the files that it makes are ours all the same.
_USER = "65532"
_UNPRIVILEGED = ("unshare", "--user", f"--map-user={_USER}", f"--map-group={_USER}", "--")
_TOKEN = re.compile(r"Access token was successfully created\.\.\. ([0-9a-f]{40})")
_PASSWORD = re.compile(r"generated random password is '(.+)'")
_CREATE_SECONDS = 60
# Nothing calls out, nothing goes on behind a push's back, nothing waits when it is to end.
_INI = """\
APP_NAME = Sandbox forge
RUN_MODE = prod
WORK_PATH = {folder}

[server]
PROTOCOL = https
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
DOMAIN = 127.0.0.1
ROOT_URL = {url}/
CERT_FILE = {cert}
KEY_FILE = {key}
STATIC_ROOT_PATH = {static}
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = false
ALLOW_GRACEFUL_RESTARTS = false
GRACEFUL_HAMMER_TIME = 1s

[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
SQLITE_JOURNAL_MODE = WAL

[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}

[service]
DISABLE_REGISTRATION = true

[repository]
DEFAULT_BRANCH = main

[git.config]
gc.auto = 0
maintenance.auto = false
receive.autogc = false

[webhook]
ALLOWED_HOST_LIST = loopback
SKIP_TLS_VERIFY = true

[queue]
TYPE = channel

[indexer]
ISSUE_INDEXER_TYPE = db

[log]
MODE = console
LEVEL = warn

[picture]
DISABLE_GRAVATAR = true

[cron.update_checker]
ENABLED = false

[oauth2]
ENABLED = false

[actions]
ENABLED = false

[packages]
ENABLED = false

[federation]
ENABLED = false

[mirror]
ENABLED = false
"""


class Gitea:
    """One forge; repositories and database lie in the sandbox's own folder and go with it."""

    name = "gitea"

    def __init__(self) -> None:
        self._home = Path()
        self._program = Path()
        self._url = ""
        self._has_admin = False

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program; it makes its database itself."""
        self._home = home / self.name
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._program = tools.find("gitea")
        port = free_port()
        self._url = f"https://127.0.0.1:{port}"
        pair = Authority(self._home).server("server", ["127.0.0.1", "localhost"])
        write_secret(self._config, self._settings(port, pair).encode())
        return [
            Spec(
                name=self.name,
                argv=self._argv("web"),
                env=_environment(self._home),
                cwd=self._home,
                ready=self._ready,
                timeout=120,
                hint="It needs git, and as root a kernel that lets it make user namespaces.",
            )
        ]

    def outputs(self) -> Mapping[str, str]:
        """Where it listens, whom to trust, and the administrator."""
        return {
            "gitea_url": self._url,
            "gitea_ca_file": str(self._home / "ca.crt"),
            "gitea_admin_username": ADMIN,
            "gitea_admin_password_file": str(self._home / "admin.password"),
            "gitea_admin_token_file": str(self._home / "admin.token"),
        }

    @property
    def _config(self) -> Path:
        return self._home / "app.ini"

    def _argv(self, *arguments: str) -> tuple[str, ...]:
        prefix = _UNPRIVILEGED if os.geteuid() == 0 else ()
        return (*prefix, str(self._program), f"--config={self._config}", *arguments)

    def _settings(self, port: int, pair: Pair) -> str:
        return _INI.format(
            folder=self._home,
            port=port,
            url=self._url,
            cert=pair.cert,
            key=pair.key,
            static=self._program.parent,
            secret=secrets.token_hex(32),
        )

    def _ready(self) -> bool:
        """Healthy, and the administrator is there."""
        if not http_ok(f"{self._url}/api/healthz", self._home / "ca.crt"):
            return False
        if not self._has_admin:
            self._create_admin()
            self._has_admin = True
        return True

    def _create_admin(self) -> None:
        """Not through the API: somebody has to be the first. Gitea thinks of the password."""
        who = ("--username", ADMIN, "--email", f"{ADMIN}@forge.example", "--admin")
        secret = ("--random-password", "--random-password-length=24", "--access-token")
        done = subprocess.run(
            self._argv("admin", "user", "create", *who, *secret),
            env={**os.environ, **_environment(self._home)},
            cwd=self._home,
            capture_output=True,
            text=True,
            timeout=_CREATE_SECONDS,
            check=False,
        )
        token, password = _TOKEN.search(done.stdout), _PASSWORD.search(done.stdout)
        if done.returncode or not token or not password:
            raise RuntimeError(
                f"gitea: its administrator was not created (exit code {done.returncode}): "
                f"{done.stderr[-500:]!r}. Start the sandbox in a new, empty folder."
            )
        write_secret(self._home / "admin.token", token[1].encode())
        write_secret(self._home / "admin.password", password[1].encode())


def _environment(home: Path) -> dict[str, str]:
    """A home of its own, so that nobody's git settings count, and a name for its number."""
    return {
        "HOME": str(home),
        "USER": "gitea",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GITEA_WORK_DIR": str(home),
    }
