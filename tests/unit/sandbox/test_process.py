"""A program of the sandbox starts, is waited for, and leaves nothing behind."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from interlock_sandbox import process
from interlock_sandbox.process import NotReady, Program, Spec

SLEEPER = ("sleep", "1000")


def spec(*argv: str, ready: Callable[[], bool] = lambda: True, timeout: float = 20.0) -> Spec:
    return Spec(name="thing", argv=argv, ready=ready, timeout=timeout, hint="Turn it on.")


def _nothing_left(home: Path) -> bool:
    """Whether no process of the sandbox is left; the kernel takes a moment after SIGKILL."""
    deadline = time.monotonic() + 10
    while process.marked(home) and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.marked(home) == []


def logged(home: Path, text: str) -> Callable[[], bool]:
    return lambda: text in (home / "logs" / "thing.log").read_text()


def test_a_program_that_ends_early_is_reported_with_its_log_and_the_remedy(tmp_path: Path) -> None:
    program = Program(spec("sh", "-c", "echo no such disk; exit 7", ready=lambda: False), tmp_path)
    with pytest.raises(NotReady) as caught:
        program.wait_ready()
    message = str(caught.value)
    assert "thing: it ended with exit code 7 before it was ready." in message
    assert "no such disk" in message
    assert message.endswith("Turn it on.")


def test_a_program_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    program = Program(spec(*SLEEPER, ready=lambda: False, timeout=0), tmp_path)
    try:
        with pytest.raises(NotReady, match="was not ready after 0 s"):
            program.wait_ready()
    finally:
        program.end()


def test_a_missing_program_is_reported_by_name(tmp_path: Path) -> None:
    program = Program(spec("no-such-program", ready=lambda: False), tmp_path)
    with pytest.raises(NotReady, match="no-such-program"):
        program.wait_ready()


def test_waiting_ends_when_the_sandbox_is_given_up(tmp_path: Path) -> None:
    program = Program(spec(*SLEEPER, ready=lambda: False), tmp_path)
    try:
        with pytest.raises(NotReady, match="stopped before it was ready"):
            program.wait_ready(given_up=lambda: True)
    finally:
        program.end()


def test_end_lets_a_program_end_by_itself(tmp_path: Path) -> None:
    script = "trap 'echo goodbye; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    program = Program(spec("sh", "-c", script, ready=logged(tmp_path, "up")), tmp_path)
    program.wait_ready()
    program.end()
    assert program.exit_code() == 0
    assert "goodbye" in program.log.read_text()


def test_end_makes_a_stubborn_program_end(tmp_path: Path) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.01; done"
    program = Program(spec("sh", "-c", script, ready=logged(tmp_path, "up")), tmp_path)
    program.wait_ready()
    program.end(grace=0)
    assert program.exit_code() == -signal.SIGKILL
    assert _nothing_left(tmp_path)


def test_a_grandchild_in_a_session_of_its_own_is_found_and_ended(tmp_path: Path) -> None:
    script = "setsid sleep 1000 & echo up; wait"
    program = Program(spec("sh", "-c", script, ready=logged(tmp_path, "up")), tmp_path)
    program.wait_ready()
    program.end()
    assert process.marked(tmp_path), "the test needs a grandchild that outlives its parent"
    process.kill_marked(tmp_path)
    assert _nothing_left(tmp_path)


def test_the_kernel_ends_a_program_whose_starter_is_gone(tmp_path: Path) -> None:
    started: list[Program] = []
    ready = spec("sh", "-c", "echo up; sleep 1000", ready=logged(tmp_path, "up"))

    def start() -> None:
        started.append(Program(ready, tmp_path))
        started[0].wait_ready()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    try:
        assert started[0]._process.wait(10) == -signal.SIGKILL
    finally:
        process.kill_marked(tmp_path)


def test_marked_never_takes_the_programs_of_another_sandbox(tmp_path: Path) -> None:
    program = Program(spec(*SLEEPER), tmp_path / "10")
    try:
        assert process.marked(tmp_path / "1") == []
        assert process.marked(tmp_path / "10") == [program.pid]
    finally:
        program.end()


def test_tail_shows_control_characters_instead_of_obeying_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\n" * 100 + b"\x1b[2Jred\xff\n")
    assert process.tail(log, lines=2) == "old\n\\x1b[2Jred\ufffd"


def test_free_ports_differ_and_are_free() -> None:
    ports = [process.free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports[0]))


def test_a_taken_port_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        monkeypatch.setattr(process, "PORTS", range(port, port + 1))
        with pytest.raises(RuntimeError, match="No free TCP port"):
            process.free_port()


class Answers(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        """Answers the one question."""
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stays quiet."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "ok"), [(200, True), (204, True), (401, False), (503, False)])
def test_only_a_2xx_answer_is_ok(web: str, status: int, ok: bool) -> None:
    assert process.http_ok(f"{web}/{status}") is ok


def test_nobody_there_is_not_ok() -> None:
    assert not process.http_ok(f"http://127.0.0.1:{process.free_port()}")


def test_a_proxy_is_never_asked(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert process.http_ok(f"{web}/200")
