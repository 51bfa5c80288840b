"""Pipelines branch on the exit code: a crash must never look like a verdict."""

import subprocess
import sys

import click
import pytest

from interlock.cli import exits
from interlock.cli.main import COMMANDS, interlock
from interlock.cli.plugin import interlock as plugin


def command(error: BaseException | None) -> click.Command:
    @click.command()
    def it() -> None:
        if error:
            raise error

    return it


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (exits.Refused("no"), 1),
        (click.Abort(), 1),
        (exits.BadInput("bad"), 2),
        (click.UsageError("what"), 2),
        (exits.Failed("broken"), 3),
        (RuntimeError("a surprise"), 3),
    ],
)
def test_each_ending_has_its_code(error: BaseException | None, code: int) -> None:
    assert exits.main(command(error), "it", []) == code


def test_a_surprise_is_a_sentence_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    exits.main(command(RuntimeError("a surprise")), "it", [])
    said = capsys.readouterr().err
    assert "it failed: RuntimeError: a surprise" in said
    assert "Traceback" not in said


def test_an_unknown_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.main(plugin, "kubectl interlock", ["why", "--nonsense"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there_and_its_summary_ends_as_a_sentence(name: str) -> None:
    assert isinstance(interlock.get_command(click.Context(interlock), name), click.Command)
    assert COMMANDS[name].summary.endswith(".")


def _imported(module: str) -> set[str]:
    code = f"import sys; import {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(done.stdout.split())


def test_help_imports_no_command() -> None:
    assert not [name for name in _imported("interlock.cli.main") if name.startswith("pydantic")]


def test_approve_never_imports_the_controller() -> None:
    assert not {"kopf", "kubernetes", "mlflow"} & _imported("interlock.cli.approve")


def test_the_plugin_imports_nothing_heavy() -> None:
    """It answers an SRE at night; seconds of imports would be seconds of outage."""
    heavy = {"pydantic", "kopf", "kubernetes", "sigstore", "tuf", "aiohttp", "yaml", "cryptography"}
    assert not heavy & _imported("interlock.cli.plugin")
