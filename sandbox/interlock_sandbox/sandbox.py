"""A sandbox as Python sees it: brought up for a `with` block, or one that is up already.

Each is a process of its own (the supervisor) with a folder of its own, so any number can run at
once, and each ends with the process that wanted it.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast

from interlock_sandbox.golang import say
from interlock_sandbox.kubernetes import kubeconfig, kubectl
from interlock_sandbox.node import remains
from interlock_sandbox.pki import write_secret
from interlock_sandbox.process import kill_marked
from interlock_sandbox.supervisor import LOCK, STATE

_END_SECONDS = 60.0  # the supervisor needs 2; then it is killed and the reaper does the rest


class NotUp(RuntimeError):
    """There is no running sandbox, or it did not come up; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class State:
    """What a supervisor writes down when all of its parts are ready."""

    supervisor: int
    seconds: float
    parts: tuple[str, ...]
    outputs: Mapping[str, str]
    pids: Mapping[str, int]


class Sandbox:
    """Real programs for one `with` block; ends with it, or with the process if that comes first."""

    home: Path  # its folder: logs, state and the parts' own files; goes when the sandbox goes
    state: State  # which programs run, and how others reach them

    def __init__(self, parts: Sequence[str] = ("kubernetes",)) -> None:
        self._parts = tuple(parts)

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="interlock-")).resolve()
        self._process = launch(self.home, self._parts, temporary=True)
        self.state = read_state(self.home)
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)

    @property
    def outputs(self) -> Mapping[str, str]:
        """How others reach the parts: URLs, files, accounts."""
        return self.state.outputs

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return Path(self.outputs["kubeconfig"])

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, as administrator; RuntimeError when it fails."""
        return kubectl(self.kubeconfig, *arguments, stdin=stdin)

    def kubeconfig_for(self, namespace: str, service_account: str) -> Path:
        """A kubeconfig with a token of that service account, good for a day."""
        asked = ("create", "token", service_account, f"--namespace={namespace}", "--duration=24h")
        token = self.kubectl(*asked).strip()
        file = self.home / f"{namespace}.{service_account}.kubeconfig"
        url, ca = self.outputs["kubernetes_url"], Path(self.outputs["kubernetes_ca"])
        write_secret(file, kubeconfig(url, ca, {"token": token}))
        return file


def open_existing(home: Path) -> Sandbox:
    """The sandbox that runs in `home`; NotUp if none does."""
    sandbox = Sandbox()
    sandbox.home = home.resolve()
    sandbox.state = read_state(sandbox.home)
    if not is_alive(sandbox.home):
        raise NotUp(f"The sandbox in {home} has ended. Start it with `interlock-sandbox up`.")
    return sandbox


def launch(
    home: Path, parts: Sequence[str], *, temporary: bool = False, detached: bool = False
) -> subprocess.Popen[str]:
    """Starts a supervisor and returns it when all its parts are ready; tells what it tells."""
    command = [sys.executable, "-m", "interlock_sandbox.supervisor", "--home", str(home)]
    command += [f"--part={part}" for part in parts]
    command += [flag for flag, on in _flags(temporary, detached) if on]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for us: we decide when it ends
    )
    try:
        said = _read_until_ready(process)
    except BaseException:
        _end(process)
        raise
    if not (home / STATE).exists():
        _end(process)
        raise NotUp("The sandbox did not come up. " + said)
    return process


def read_state(home: Path) -> State:
    """What the supervisor of `home` wrote; NotUp if it wrote nothing."""
    try:
        raw = json.loads((home / STATE).read_text())
    except FileNotFoundError:
        hint = "Start one with `interlock-sandbox up`."
        raise NotUp(f"There is no sandbox in {home}. {hint}") from None
    return State(**{**raw, "parts": tuple(raw["parts"])})


def is_alive(home: Path) -> bool:
    """Whether a supervisor runs in `home`, ready or not: it holds the lock as long as it lives."""
    try:
        with (home / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def remove(home: Path) -> bool:
    """Ends the sandbox in `home` and removes the folder; False if there was none."""
    if not (home / LOCK).exists():
        return False
    if is_alive(home):
        os.kill(int((home / LOCK).read_text()), signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while is_alive(home) and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_marked(home)
    remains.remove(home)
    shutil.rmtree(home)
    return True


def _flags(temporary: bool, detached: bool) -> tuple[tuple[str, bool], ...]:
    return ("--temporary", temporary), ("--detached", detached)


def _read_until_ready(process: subprocess.Popen[str]) -> str:
    """All it says until it closes its output, which it does when it is ready or has failed."""
    lines = []
    with cast(IO[str], process.stdout) as output:
        for line in output:
            say(line.rstrip())
            lines.append(line)
    return "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
