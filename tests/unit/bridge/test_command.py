"""`interlock forge-bridge` as a process: says what it lacks, serves its health, ends on SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from interlock.bridge.command import forge_bridge
from interlock.cli import exits, logs
from support.sshkeys import keygen, write_private_key


@pytest.fixture(autouse=True)
def logs_of_this_process_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs here must not take what other tests log."""
    monkeypatch.setattr(logs, "setup", lambda: None)


def config(home: Path, key: Path, **changes: object) -> Path:
    """A configuration whose forge and verifier are not there."""
    (home / "token").write_text("t0ken")
    one = {"url": "https://git.example", "kind": "gitea", "tokenFile": str(home / "token")}
    whole = {
        "stateDir": str(home / "state"),
        "verifier": {"socket": str(home / "verifier.sock")},
        "forgeBridge": {"keyFile": str(key), "forges": [one]},
    }
    file = home / "config.yaml"
    file.write_text(json.dumps({k: v for k, v in (whole | changes).items() if v}))
    return file


def run(file: Path) -> int:
    return exits.main(forge_bridge, "interlock forge-bridge", ["--config", str(file)])


@pytest.mark.parametrize("missing", ["verifier", "forgeBridge"])
def test_without_its_configuration_it_says_what_it_needs(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = write_private_key("bridge", tmp_path / "key")
    assert run(config(tmp_path, key, **{missing: None})) == exits.USAGE
    assert "forgeBridge and verifier.socket are needed" in capsys.readouterr().err


def test_with_a_key_that_is_none_it_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config(tmp_path, keygen(tmp_path, "ecdsa"))) == exits.FAILED
    assert "not of the type ed25519" in capsys.readouterr().err


def test_it_serves_its_health_while_nothing_it_needs_is_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = config(tmp_path, write_private_key("bridge", tmp_path / "key"))
    words = [sys.executable, "-P", "-m", "interlock", "forge-bridge", "--config", str(file)]
    words += ["--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=_clean()) as process:
        try:
            assert _ready(f"http://127.0.0.1:{port}/readyz")
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "verifier cannot be asked" in said
    assert "Traceback" not in said


def _clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "INTERLOCK"))}


def _ready(url: str) -> bool:
    """Whether it answers 200 within a while: a look that failed has ended, too."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.05)
    return False
