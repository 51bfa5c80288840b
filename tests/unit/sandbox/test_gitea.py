"""The sandbox's forge calls nobody, has no privilege, and tells no secret it did not have to."""

import configparser
import os
import stat
from pathlib import Path

import pytest

from interlock_sandbox import tools
from interlock_sandbox.gitea import part
from interlock_sandbox.gitea.api import Account, Client
from interlock_sandbox.gitea.part import Gitea
from interlock_sandbox.process import Spec


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands in for the compiled program: it says what `admin user create` says."""
    file = tmp_path / "tool" / "gitea"
    file.parent.mkdir()
    file.touch(mode=0o755)
    monkeypatch.setattr(tools, "find", lambda _: file)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return file


def settings(home: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string("[DEFAULT]\n" + (home / "gitea" / "app.ini").read_text())
    return parsed


def spec(home: Path) -> tuple[Gitea, Spec]:
    forge = Gitea()
    (made,) = forge.specs(home)
    return forge, made


def test_it_listens_on_loopback_and_calls_nobody(program: Path, tmp_path: Path) -> None:
    forge, _ = spec(tmp_path)
    said = settings(tmp_path)
    assert said["server"]["HTTP_ADDR"] == "127.0.0.1"
    assert said["server"]["ROOT_URL"] == forge.outputs()["gitea_url"] + "/"
    assert said["server"]["PROTOCOL"] == "https"
    assert said["server"]["STATIC_ROOT_PATH"] == str(program.parent)
    assert said["server"].getboolean("OFFLINE_MODE")
    assert said["webhook"]["ALLOWED_HOST_LIST"] == "loopback"
    for name in ("oauth2", "actions", "packages", "federation", "mirror", "cron.update_checker"):
        assert not said[name].getboolean("ENABLED")


def test_its_settings_are_the_owners_alone(program: Path, tmp_path: Path) -> None:
    spec(tmp_path)
    folder = tmp_path / "gitea"
    assert stat.S_IMODE((folder / "app.ini").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_root_gives_its_privileges_up(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spec(tmp_path)[1].argv[0] == str(program)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    argv = spec(tmp_path)[1].argv
    assert argv[:2] == ("unshare", "--user")
    assert argv[argv.index("--") + 1] == str(program)
    assert not {"--map-root-user", "-r", "--keep-caps"} & set(argv)


def test_the_first_account_is_made_once_it_is_healthy(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "0123456789" * 4
    program.write_text(
        '#!/bin/sh\necho "$@" >> calls\necho "generated random password is \'pass word\'"\n'
        f"echo 'Access token was successfully created... {token}'\n"
    )
    healthy = iter([False, True, True])
    monkeypatch.setattr(part, "http_ok", lambda *_: next(healthy))
    forge, made = spec(tmp_path)
    assert [made.ready() for _ in range(3)] == [False, True, True]
    said = forge.outputs()
    assert Path(said["gitea_admin_token_file"]).read_text() == token
    assert Path(said["gitea_admin_password_file"]).read_text() == "pass word"
    calls = (tmp_path / "gitea" / "calls").read_text().splitlines()
    assert len(calls) == 1
    assert "pass word" not in calls[0]  # any user of the machine can read a command line


def test_where_no_account_is_made_it_says_why(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.write_text("#!/bin/sh\necho 'no such table: user' >&2\nexit 1\n")
    monkeypatch.setattr(part, "http_ok", lambda *_: True)
    with pytest.raises(RuntimeError, match=r"exit code 1.*no such table: user"):
        spec(tmp_path)[1].ready()


def test_credentials_are_a_line_of_gits_store() -> None:
    client = Client("https://127.0.0.1:8443", Path("ca.crt"), "t1")
    account = Account("author", 7, "author@forge.example", "p", "t2")
    assert client.credentials(account) == "https://author:t2@127.0.0.1:8443"
    assert client.of(account).token == "t2"
