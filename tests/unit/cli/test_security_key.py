"""A security key signs as any other key does, through the real ssh-keygen, and must be touched."""

import base64
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from interlock.cli import sshkey
from support import policies
from support.approver import Desk, desk
from support.fidoagent import holding
from support.sshkeys import by_ed25519, fingerprint_of, sk_blob, sk_sign

KEY = policies.ssh_key("the token in a drawer")
BLOB = sk_blob(KEY)
LINE = f"sk-ssh-ed25519@openssh.com {base64.b64encode(BLOB).decode()} fido"


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    people = policies.documents()["people"]
    people["people"][0]["keys"].append({"ssh": LINE})
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    (tmp_path / "fido.pub").write_text(f"{LINE}\n")
    return desk(tmp_path, monkeypatch, people=people)


def approve(team: Desk, flags: int) -> int:
    with holding(team.home / "agent", BLOB, partial(sk_sign, KEY, flags=flags)):
        return team.run("approve", "--serving", "none", "--key", str(team.home / "fido.pub"))


async def test_a_touched_key_approves(team: Desk) -> None:
    assert approve(team, flags=1) == 0
    (vote,), denied = await team.read()
    assert (vote.person, vote.key, denied) == ("quality-1", fingerprint_of(BLOB), [])


async def test_a_key_that_nobody_touched_does_not(team: Desk, capsys: Any) -> None:
    assert approve(team, flags=0) == 3
    assert "was not touched" in capsys.readouterr().err
    assert await team.read() == ([], [])


async def test_gits_literal_signing_key_may_be_one(team: Desk) -> None:
    team.git("config", "user.signingKey", f"key::{LINE}")
    with holding(team.home / "agent", BLOB, partial(sk_sign, KEY)):
        assert team.run("approve", "--serving", "none") == 0
    assert [one.key for one in (await team.read())[0]] == [fingerprint_of(BLOB)]


def test_an_agent_without_the_key_is_said(team: Desk, capfd: Any) -> None:
    with holding(team.home / "agent", b"another", partial(sk_sign, KEY)):
        args = ("--serving", "none", "--key", str(team.home / "fido.pub"))
        assert team.run("approve", *args) == 3
    assert "ssh-keygen could not sign with" in capfd.readouterr().err


async def test_what_another_key_signed_is_not_pushed(
    team: Desk, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent may hold several keys, and a program in its place may take whichever it likes."""
    other = policies.ssh_key("quality-2")
    monkeypatch.setattr(sshkey, "sign", lambda key, message, namespace: by_ed25519(other, message))
    assert team.approve("quality-1") == 3
    assert f"signed with {policies.fingerprint('quality-2')}, expected" in capsys.readouterr().err
    assert await team.read() == ([], [])
