"""`kubectl interlock get -w` beside a controller: it follows, reconnects and ends cleanly."""

import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import yaml

from interlock_sandbox.sandbox import Sandbox
from support.engine import Agent
from support.kube import until
from support.shell import Shell, kubectl_program

SECONDS = 30.0
WATCHES = 5
"""Agent, revisions, records, pods, pointer."""


class Gate:
    """A TCP way to the API server that can be shut: the API server goes away for one client."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def shut(self) -> None:
        """Cut every connection, and every new one."""
        self._open.clear()
        for one in self._pairs:
            _cut(one)

    def open(self) -> None:
        """Let connections through again."""
        self._open.set()

    def close(self) -> None:
        """End all of it."""
        self.shut()
        _cut(self._listener)

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set():
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _cut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    _cut(other)


@pytest.fixture
def gate(installed: Sandbox) -> Iterator[Gate]:
    server = yaml.safe_load(installed.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    host, _, port = server.removeprefix("https://").partition(":")
    with closing(Gate((host, int(port)))) as way:
        yield way


@pytest.fixture
def terminal(installed: Sandbox, gate: Gate, tmp_path: Path) -> Shell:
    """A terminal whose way to the API server leads through the gate."""
    config = yaml.safe_load(installed.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{gate.port}"
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return Shell(path)


class Lines:
    """What a process prints, line by line, as it comes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.text = ""
        self._lines: queue.Queue[str] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (process.stdout, process.stderr)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Read to the end."""
        for thread in self._threads:
            thread.join(SECONDS)

    def until(self, *texts: str) -> None:
        """Wait until each of these was in a line, in whatever order they come."""
        seen: list[str] = []
        while missing := [one for one in texts if not any(one in line for line in seen)]:
            try:
                seen.append(self._lines.get(timeout=SECONDS))
            except queue.Empty:
                pytest.fail(f"no line with {missing} within {SECONDS:.0f} s: {''.join(seen)}")

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self.text += line
            self._lines.put(line)


def test_it_follows_an_agent_through_a_promotion_and_a_cut(
    fresh: Agent, terminal: Shell, gate: Gate
) -> None:
    old = fresh.serves("a")
    with terminal.start("get", fresh.name, "-n", fresh.team, "-w") as process:
        lines = Lines(process)
        lines.until(f"pointer   {old}  1 of 1 pods ready")
        fresh.want("b")
        new = fresh.healthy(old)
        lines.until(f"pointer   {new}  1 of 1 pods ready")

        gate.shut()
        lines.until("No answer from the cluster")
        third = fresh.serves("c")
        gate.open()
        lines.until("The cluster answers again.", f"revision  {third}  serving")

        until(lambda: len(_children(process)) == WATCHES, "a kubectl for each watch")
        kubectls = _children(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        lines.join()
    until(lambda: not any(Path(f"/proc/{one}").exists() for one in kubectls), "their end")
    assert "Traceback" not in lines.text


def test_an_agent_that_is_not_there_is_refused(fresh: Agent, terminal: Shell) -> None:
    done = terminal("get", "nobody", "-n", fresh.team, "-w")
    assert done.returncode == 1
    assert "there is no AgentDeployment nobody" in done.stderr


def test_kubectl_completes_the_plugin_by_itself(
    fresh: Agent, terminal: Shell, tmp_path: Path
) -> None:
    fresh.want("a")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, place in (
        ("kubectl-interlock", "plugin"),
        ("kubectl_complete-interlock", "complete"),
    ):
        program = folder / name
        code = f"from interlock.cli.{place} import main; main()"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
        program.chmod(0o755)
    done = subprocess.run(
        [kubectl_program(), "__complete", "interlock", "why", "-n", fresh.team, ""],
        env=terminal.env | {"PATH": f"{folder}:{terminal.env['PATH']}"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.splitlines()[0].startswith(f"{fresh.name}\tserves")
    assert done.stdout.splitlines()[-1] == ":4"


def _children(process: "subprocess.Popen[str]") -> list[str]:
    """The kubectls that the plugin runs now; none may outlive it."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [child for thread in threads for child in thread.read_text().split()]
