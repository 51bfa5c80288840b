"""One program of the sandbox: how it is described, started, waited for and ended.

A sandbox must never leave anything behind, whatever ends it. So each program gets a process
group of its own, is killed by the kernel when its supervisor dies, and carries a mark in its
environment by which its grandchildren are found, too, wherever they moved.
"""

import contextlib
import http.client
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MARK = "INTERLOCK_SUPERVISED"  # environment variable that all programs of one sandbox carry
TAIL_LINES = 20
# Below the kernel's range for outgoing connections (32768-60999): no connection takes a port
# between the moment it was found free and the moment its program listens on it.
PORTS = range(20_000, 32_000)

# Runs in the child before the program: dies with the parent, also if the parent died just now.
# Not a preexec_fn: that is unsafe in a process with threads.
_GUARD = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot run {sys.argv[2]}: {error}")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One program to run; `ready` is asked again and again until it says yes."""

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)  # added to the supervisor's own
    cwd: Path | None = None
    timeout: float = 60.0  # seconds until it counts as not coming up
    hint: str = ""  # what to do when it does not come up


class Part(Protocol):
    """A piece of the sandbox: one or more programs that make sense together only."""

    name: str

    def specs(self, home: Path) -> Sequence[Spec]:
        """Its programs in start order; prepares their files in `home/<name>` (mode 0700) first."""

    def outputs(self) -> Mapping[str, str]:
        """What others need to use it, asked once when all its programs are ready."""


class NotReady(RuntimeError):
    """A program did not come up: says which, shows the end of its log and what to do."""

    def __init__(self, name: str, what: str, tail: str, hint: str = "") -> None:
        lines = [f"{name}: {what}."]
        lines += ["The end of its log:", tail.rstrip()] if tail.strip() else ["It logged nothing."]
        super().__init__("\n".join([*lines, hint] if hint else lines))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on and that was not given out before."""
    for _ in range(1_000):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        if port not in _given and _can_bind(port):
            _given.add(port)
            return port
    raise RuntimeError(f"No free TCP port on 127.0.0.1 in {PORTS}. Stop what listens there.")


_given: set[int] = set()


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def http_ok(url: str, cafile: Path | None = None, cert: tuple[Path, Path] | None = None) -> bool:
    """Whether a GET of `url` answers 2xx within a second; `cert` is (certificate, key)."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if cafile:
        context = ssl.create_default_context(cafile=cafile)
        if cert:
            context.load_cert_chain(*cert)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=1):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return False
    except (OSError, http.client.HTTPException):
        return False


class Program:
    """A running Spec. Keep the thread that made it alive: the kernel ends the program with it."""

    def __init__(self, spec: Spec, home: Path) -> None:
        self.spec = spec
        self.log = home / "logs" / f"{spec.name}.log"
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        guard = (sys.executable, "-ISc", _GUARD, str(os.getpid()), *spec.argv)
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                guard,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=spec.cwd,
                env={**os.environ, **spec.env, MARK: str(home)},
                process_group=0,
            )
        self.pid = self._process.pid

    def wait_ready(self, given_up: Callable[[], bool] = lambda: False) -> None:
        """Returns once it is ready; NotReady if it ends, takes too long or `given_up` says yes."""
        deadline = time.monotonic() + self.spec.timeout
        while not self.spec.ready():
            code = self._process.poll()
            if code is not None:
                raise self._not_ready(f"it ended with exit code {code} before it was ready")
            if time.monotonic() > deadline:
                raise self._not_ready(f"it was not ready after {self.spec.timeout:.0f} s")
            if given_up():
                raise self._not_ready("it was stopped before it was ready")
            time.sleep(0.05)

    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def end(self, grace: float = 5.0) -> None:
        """Asks its whole group to end, and makes it after `grace` seconds."""
        _signal_group(self.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()

    def _not_ready(self, what: str) -> NotReady:
        return NotReady(self.spec.name, what, tail(self.log), self.spec.hint)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file, control characters shown and not obeyed."""
    size = log.stat().st_size
    with log.open("rb") as file:
        file.seek(max(0, size - 16_384))
        text = file.read().decode(errors="replace")
    shown = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
    return "\n".join(shown.splitlines()[-lines:])


def marked(home: Path) -> list[int]:
    """The processes that belong to the sandbox in `home`, grandchildren included."""
    wanted = f"{MARK}={home}".encode()
    return [pid for pid in _pids() if wanted in _environment(pid)]


def kill_marked(home: Path, seconds: float = 10.0) -> None:
    """Ends what still belongs to the sandbox in `home`, again until nothing is left."""
    deadline = time.monotonic() + seconds
    while (left := marked(home)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return []
