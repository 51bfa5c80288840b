"""A real MLflow server with accounts: who trains may write, Interlock may only read.

Workspaces are on because only they let the server refuse that a reader makes things of its own:
without them every account may create experiments and registered models, whatever its grants.
Artifact roots then read `mlflow-artifacts:/workspaces/default/<experiment>/...`.
"""

import base64
import json
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox.pki import write_secret
from interlock_sandbox.process import Spec, free_port, http_ok

ADMIN, TRAINER, READER = "admin", "trainer", "interlock"
# Without a cache each request costs 180 ms of password hashing.
AUTH_CACHE_SECONDS = 300
# Runs and logged models follow their experiment, versions their registered model.
_READABLE = ("experiment", "registered_model", "prompt")
_AUTH_INI = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{home}/accounts.db
admin_username = {admin}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = {ttl}
"""


class MLflow:
    """One MLflow server on loopback: accounts, SQLite, and artifacts that it serves itself."""

    name = "mlflow"

    def __init__(self) -> None:
        self._home = Path()
        self._url = ""
        self._passwords: Mapping[str, str] = {}
        self._has_accounts = False

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program; `home` must be of this sandbox alone, accounts are made anew."""
        self._home = home / self.name
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._passwords = {user: secrets.token_urlsafe(24) for user in (ADMIN, TRAINER, READER)}
        for user, password in self._passwords.items():
            write_secret(self._password_file(user), password.encode())
        ini = _AUTH_INI.format(home=self._home, admin=ADMIN, ttl=AUTH_CACHE_SECONDS)
        (self._home / "auth.ini").write_text(ini)
        hint = "It needs the extra `sandbox`, which installs `mlflow[auth]`, and 500 MiB of memory."
        return [
            Spec(
                name=self.name,
                argv=_argv(self._home, port),
                env=self._environment(),
                cwd=self._home,
                ready=self._ready,
                timeout=120,  # it imports itself twice: 4 s on an idle core, far more on a busy one
                hint=hint,
            )
        ]

    def outputs(self) -> Mapping[str, str]:
        """Where it listens, and for each account its name and the file with its password."""
        accounts = {"trainer": TRAINER, "interlock": READER}
        named = {f"mlflow_{role}_username": user for role, user in accounts.items()}
        files = {
            f"mlflow_{role}_password_file": str(self._password_file(user))
            for role, user in accounts.items()
        }
        return {"mlflow_url": self._url, **named, **files}

    def _password_file(self, user: str) -> Path:
        return self._home / f"{user}.password"

    def _environment(self) -> dict[str, str]:
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(self._home / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
            "MLFLOW_AUTH_ADMIN_PASSWORD": self._passwords[ADMIN],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # or seven more processes, 1.3 GiB
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "PYTHONWARNINGS": "ignore",
        }

    def _ready(self) -> bool:
        """Healthy, and the accounts are there: made by the first question it answers."""
        if not http_ok(f"{self._url}/health"):
            return False
        if not self._has_accounts:
            self._create_accounts()
            self._has_accounts = True
        return True

    def _create_accounts(self) -> None:
        for user in (TRAINER, READER):
            account = {"username": user, "password": self._passwords[user]}
            self._as_admin("2.0/mlflow/users/create", account)
        writers = self._as_admin(
            "3.0/mlflow/roles/create", {"workspace": "default", "name": "trainers"}
        )
        role = writers["role"]["id"]
        # USE of the workspace: create in it, and own (MANAGE) what one created.
        use = {"resource_type": "workspace", "resource_pattern": "*", "permission": "USE"}
        self._as_admin("3.0/mlflow/roles/permissions/add", {"role_id": role, **use})
        self._as_admin("3.0/mlflow/roles/assign", {"role_id": role, "username": TRAINER})
        for kind in _READABLE:
            read = {"resource_type": kind, "resource_id": "*", "permission": "READ"}
            self._as_admin("3.0/mlflow/users/permissions/grant", {"username": READER, **read})

    def _as_admin(self, path: str, body: Mapping[str, object]) -> dict[str, dict[str, object]]:
        login = base64.b64encode(f"{ADMIN}:{self._passwords[ADMIN]}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - our own server on loopback
            f"{self._url}/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Basic {login}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                parsed: dict[str, dict[str, object]] = json.load(answer)
                return parsed
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise RuntimeError(
                f"mlflow: POST /api/{path} answered {error.code} where 200 was expected: {said!r}. "
                "Start the sandbox in a new, empty folder."
            ) from error


def _argv(home: Path, port: int) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--app-name", "basic-auth", "--enable-workspaces"),
        *("--backend-store-uri", f"sqlite:///{home}/mlflow.db"),
        *("--artifacts-destination", str(home / "artifacts")),
    )
