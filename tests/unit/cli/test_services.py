"""The services' shell: logs that machines read, children that do not outlive their parent."""

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from interlock.cli import exits, run
from interlock.cli.exits import BadInput
from interlock.cli.logs import JsonFormatter
from interlock.cli.main import interlock
from support.kube import until


def line(message: str, *args: object, **fields: object) -> dict[str, object]:
    record = logging.makeLogRecord({"msg": message, "args": args, "levelno": logging.INFO})
    record.__dict__ |= fields | {"levelname": "INFO", "name": "interlock.x", "created": 0.25}
    value: dict[str, object] = json.loads(JsonFormatter().format(record))
    return value


def test_a_log_line_is_one_json_object() -> None:
    assert line("%d pods\x1b[2J\n{", 3, agent="line-4/press", step="Commit") == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "info",
        "message": "3 pods\x1b[2J\n{",
        "agent": "line-4/press",
        "step": "Commit",
        "logger": "interlock.x",
    }


def test_a_log_line_cannot_be_broken_in_two() -> None:
    record = logging.makeLogRecord({"msg": "a\nb\x1b\u2028c"})
    assert JsonFormatter().format(record).isprintable()


def test_an_error_carries_its_traceback() -> None:
    try:
        raise RuntimeError("torn")
    except RuntimeError:
        said = line("failed", exc_info=sys.exc_info())
    assert "RuntimeError: torn" in str(said["error"])


@pytest.mark.parametrize(
    ("listen", "expected"), [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:0", ("::1", 0))]
)
def test_an_address_is_host_and_port(listen: str, expected: tuple[str, int]) -> None:
    assert run.address(listen) == expected


@pytest.mark.parametrize("listen", ["8080", ":8080", "host:", "host:http", "host:70000"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(BadInput, match="expected HOST:PORT"):
        run.address(listen)


def python(code: str) -> list[str]:
    return [sys.executable, "-ISc", code]


async def test_a_helper_that_dies_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FIRST_BACKOFF", 0.01)
    starts = tmp_path / "starts"
    helper = python(f"open({str(starts)!r}, 'a').write('x')")
    waits = (
        f"import os, time\nwhile not os.path.exists({str(starts)!r})"
        f" or os.path.getsize({str(starts)!r}) < 3: time.sleep(0.01)\nraise SystemExit(7)"
    )
    assert await run.supervise(python(waits), helper) == 7
    assert len(starts.read_text()) >= 3


async def test_neither_child_outlives_the_end(tmp_path: Path) -> None:
    pids = [tmp_path / "service", tmp_path / "helper"]
    sleepers = [
        python(
            f"import os, time; f = {str(file)!r}; open(f + '.new', 'w').write(str(os.getpid()));"
            "os.rename(f + '.new', f); time.sleep(600)"
        )
        for file in pids
    ]
    task = asyncio.create_task(run.supervise(*sleepers))
    await asyncio.to_thread(until, lambda: all(file.exists() for file in pids), "both run")
    os.kill(os.getpid(), signal.SIGTERM)
    assert await task == exits.FAILED  # the service had no handler for SIGTERM
    for file in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)


def test_a_configuration_that_is_missing_is_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("controller", "run"):
        args = [name, "--config", str(tmp_path / "none.yaml")]
        assert exits.main(interlock, "interlock", args) == 2
        assert "there is no configuration" in capsys.readouterr().err


def test_a_controller_without_a_cluster_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    config = tmp_path / "config.yaml"
    config.write_text("{}")
    assert exits.main(interlock, "interlock", ["controller", "--config", str(config)]) == 2
    assert "name one with --kubeconfig" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def _quiet() -> object:
    """Give the root logger back as it was: the services take it over."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
