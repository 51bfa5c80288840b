"""The process that owns all programs of one sandbox: starts them, waits, and ends them.

A sandbox lives as long as its supervisor. The supervisor ends on SIGTERM, SIGINT, or when its
standard input closes, which is how it learns that the process that wanted the sandbox has died.
If it is killed itself, a reaper in a session of its own ends what it leaves.
"""

import fcntl
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

import click

from interlock_sandbox.golang import say
from interlock_sandbox.node import remains
from interlock_sandbox.pki import write_secret
from interlock_sandbox.process import MARK, Part, Program, kill_marked, tail

# What can be asked for, and the parts it takes in start order. Each name starts in its own thread.
PARTS: Mapping[str, tuple[str, ...]] = {
    "kubernetes": ("interlock_sandbox.kubernetes:Kubernetes", "interlock_sandbox.kwok:Kwok"),
    "mlflow": ("interlock_sandbox.mlflow:MLflow",),
    "sigstore": ("interlock_sandbox.sigstore.part:SigstorePart",),
    "registry": ("interlock_sandbox.registry:Registry",),
    "git": ("interlock_sandbox.gitserver:GitServer",),
    "prometheus": ("interlock_sandbox.prometheus:Prometheus",),
    "docker": ("interlock_sandbox.docker:Docker",),
    "gitea": ("interlock_sandbox.gitea.part:Gitea",),
    # Instead of `kubernetes`: the same with a real node and no other.
    "node": (
        "interlock_sandbox.node.part:Runtime",
        "interlock_sandbox.kubernetes:Kubernetes",
        "interlock_sandbox.node.part:Node",
    ),
    # Instead of `kubernetes`: the same with the benchmarks' peer on it.
    "argo-rollouts": (
        "interlock_sandbox.kubernetes:Kubernetes",
        "interlock_sandbox.kwok:Kwok",
        "interlock_sandbox.argo:ArgoRollouts",
    ),
}
STATE = "state.json"  # written when all is ready, removed at the end
LOCK = "lock"  # held, and filled with its process id, as long as the supervisor lives
_POLL = 0.05  # seconds; flags are polled because a signal handler must not take a lock


class Supervisor:
    """Brings up chains of parts, each chain in a thread, and takes them all down again."""

    def __init__(self, home: Path, chains: Mapping[str, Sequence[Part]]) -> None:
        self._home = home
        self._names = list(chains)
        self._stopping = False
        self._ended = threading.Event()
        self._failure: Exception | None = None
        self._busy = len(chains)
        self._programs: list[Program] = []
        self._outputs: dict[str, str] = {}
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(chain,), daemon=True)
            for chain in chains.values()
        ]
        self._began = time.monotonic()

    def start(self) -> None:
        """Returns when every part is ready and the state file says so; raises why not."""
        for thread in self._threads:
            thread.start()
        while self._busy and not self._failure and not self._stopping:
            time.sleep(_POLL)
        if self._failure:
            raise self._failure
        if not self._stopping:
            self._write_state()

    def stop(self) -> None:
        """Asks for the end; may be called from a signal handler."""
        self._stopping = True

    def wait(self) -> None:
        """Returns when asked to stop; tells of each program that ended before that."""
        gone: set[int] = set()
        while not self._stopping:
            for program in self._programs:
                code = program.exit_code()
                if code is not None and program.pid not in gone:
                    gone.add(program.pid)
                    say(f"{program.spec.name} ended with exit code {code}:\n{tail(program.log)}")
            time.sleep(4 * _POLL)

    def end(self, patience: float = 10.0) -> None:
        """Ends all programs, the last one first, and whatever they started."""
        self._stopping = True
        deadline = time.monotonic() + patience
        while self._busy and time.monotonic() < deadline:  # a part may be preparing its files
            time.sleep(_POLL)
        for program in reversed(self._programs):
            program.end()
        self._ended.set()
        kill_marked(self._home)
        (self._home / STATE).unlink(missing_ok=True)

    def _run(self, chain: Sequence[Part]) -> None:
        try:
            for part in chain:
                self._start(part)
        except Exception as error:  # whatever a part raises, the other parts must be ended
            self._failure = self._failure or error
        with self._lock:
            self._busy -= 1
        self._ended.wait()  # the kernel ends a thread's programs with the thread

    def _start(self, part: Part) -> None:
        for spec in part.specs(self._home):
            if self._stopping:
                return
            program = Program(spec, self._home)
            self._programs.append(program)
            program.wait_ready(lambda: self._stopping)
            say(f"{spec.name}: ready after {time.monotonic() - self._began:.1f} s")
        outputs = part.outputs()
        with self._lock:
            self._outputs.update(outputs)

    def _write_state(self) -> None:
        state = {
            "supervisor": os.getpid(),
            "seconds": round(time.monotonic() - self._began, 1),
            "parts": self._names,
            "outputs": self._outputs,
            "pids": {program.spec.name: program.pid for program in self._programs},
        }
        draft = self._home / f"{STATE}.new"
        write_secret(draft, json.dumps(state, indent=2).encode())
        draft.rename(self._home / STATE)


def chains(names: Sequence[str]) -> dict[str, list[Part]]:
    """The parts behind names of PARTS; KeyError for any other name."""
    return {name: [_load(place) for place in PARTS[name]] for name in names}


def _load(place: str) -> Part:
    module, _, attribute = place.partition(":")
    return cast(Part, getattr(importlib.import_module(module), attribute)())


def reap(home: Path, remove: bool) -> None:
    """Waits until the supervisor has ended, however it did, and ends what it left."""
    sys.stdin.buffer.read()
    kill_marked(home)
    remains.remove(home)
    if remove:
        shutil.rmtree(home, ignore_errors=True)


def _start_reaper(home: Path, remove: bool) -> subprocess.Popen[bytes]:
    code = (
        "import pathlib, sys; from interlock_sandbox.supervisor import reap; "
        "reap(pathlib.Path(sys.argv[1]), sys.argv[2] == 'True')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(home), str(remove)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stop_at_end_of_input(supervisor: Supervisor) -> None:
    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock would be held when Python ends
            pass
        supervisor.stop()

    threading.Thread(target=watch, daemon=True).start()


def _take(lock: IO[str], home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"Another supervisor runs in {home}; give another folder.") from None
    lock.truncate(0)
    print(os.getpid(), file=lock, flush=True)


def _log_to(file: Path) -> None:
    """Closes the pipe to whoever started us: that is how they see that the start is over."""
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


@click.command()
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--part", "names", multiple=True, type=click.Choice(list(PARTS)), required=True)
@click.option("--detached", is_flag=True, help="Live on when standard input closes.")
@click.option("--temporary", is_flag=True, help="Remove the home folder at the end.")
def main(home: Path, names: Sequence[str], detached: bool, temporary: bool) -> None:
    """Runs one sandbox until it is asked to stop."""
    home = home.resolve()  # one spelling: it marks the programs
    with (home / LOCK).open("a") as lock:
        _take(lock, home)
        reaper = _start_reaper(home, temporary)
        os.environ[MARK] = str(home)  # so that what a part runs to prepare itself is ended, too
        supervisor = Supervisor(home, chains(names))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        if not detached:
            _stop_at_end_of_input(supervisor)
        try:
            supervisor.start()
            _log_to(home / "logs" / "supervisor.log")
            supervisor.wait()
        except RuntimeError as error:
            raise SystemExit(str(error)) from error
        finally:
            supervisor.end()
            reaper.communicate()


if __name__ == "__main__":
    main()
