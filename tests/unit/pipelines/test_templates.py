"""Each command in the templates and in the README is one that the program takes, in full."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from interlock_pipelines.main import COMMANDS, main

PIPELINES = Path(__file__).parents[3] / "pipelines"
TEMPLATES = sorted(
    path for path in (PIPELINES / "templates").rglob("*") if path.suffix in (".yml", ".yaml")
)
README = PIPELINES / "README.md"
FENCE = re.compile(r"^```\n(.*?)^```$", re.S | re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def strings(value: object) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each `interlock-pipeline` in a script, without redirections."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip().startswith("interlock-pipeline "):
            words = shlex.split(line, comments=True)[1:]
            yield words[: words.index(">")] if ">" in words else words


def of(path: Path) -> list[list[str]]:
    if path == README:
        return [each for block in FENCE.findall(path.read_text()) for each in commands(block)]
    document = yaml.safe_load(path.read_text())
    return [each for text in strings(document) for each in commands(text)]


def unknown(words: list[str]) -> list[str]:
    """What is wrong with a command: options that are not there, and those that are missing."""
    verb, *rest = words
    command = main.get_command(click.Context(main), verb)
    assert command, verb
    known = {name: one for one in command.params for name in one.opts}
    given = [word for word in rest if re.match(r"--?[a-z]", word)]
    needed = [one for one in command.params if one.required and isinstance(one, click.Option)]
    missing = [one.opts[0] for one in needed if not set(one.opts) & set(given)]
    if {"--trust-config", "--dry-run"} <= known.keys() and verb not in ("model-scan",):
        missing += [n for n in ("--trust-config", "--identity-token-file") if n not in given]
    return [word for word in given if word not in known] + missing


@pytest.mark.parametrize("path", [*TEMPLATES, README], ids=lambda p: p.relative_to(PIPELINES))
def test_every_command_is_one_that_the_program_takes(path: Path) -> None:
    wrong = {shlex.join(each): found for each in of(path) if (found := unknown(each))}
    assert wrong == {}


def test_the_readme_has_an_example_of_each_verb_and_templates_use_what_a_change_needs() -> None:
    assert {words[0] for words in of(README)} == COMMANDS.keys()
    whole = COMMANDS.keys() - {"attach-scan"}  # for who has a report already
    for system in ("github", "gitlab", "gitea"):
        paths = [path for path in TEMPLATES if path.parent.name == system]
        assert {words[0] for path in paths for words in of(path)} == whole, system


def test_a_wrong_option_in_a_template_is_seen() -> None:
    assert unknown(["sign-image", "x", "--no-such"]) == [
        *("--no-such", "--trust-config", "--identity-token-file")
    ]


def test_links_of_the_readme_lead_somewhere() -> None:
    for link in LINK.findall(README.read_text()):
        assert (README.parent / link).exists(), link


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.relative_to(PIPELINES))
def test_no_expression_of_a_forge_is_pasted_into_a_script(path: Path) -> None:
    """What somebody else may choose (a branch's name) would be run; variables are only read."""
    document = yaml.safe_load(path.read_text())
    jobs = document.get("jobs", {}).values()
    scripts = [step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step]
    assert [script for script in scripts if "${{" in script] == []
