"""The documentation is true of the code: generated parts, links, examples and lists are checked."""

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from interlock.api.config import Config
from interlock.api.reasons import Reason
from interlock.cli.main import COMMANDS
from interlock.cli.plugin import COMMANDS as PLUGIN
from interlock.policy import model, strict_yaml
from interlock.policy.exceptions import Exceptions
from interlock.policy.feed import Feed
from interlock.policy.parse import FEED, OPTIONAL, TARGETS, parse
from interlock.policy.revocations import Revocations
from interlock.policy.rules import Rules

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for folder in (ROOT, DOCS, ROOT / "examples")
    for path in folder.glob("*.md" if folder != ROOT / "examples" else "**/*.md")
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\S*)[ ]?(\S*)\n(.*?)^```$", re.S | re.M)
MAX_CHANGED = 40


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _module()


def _page(name: str) -> str:
    return (DOCS / name).read_text()


def _blocks(page: str, language: str) -> dict[str, str]:
    return {about: text for kind, about, text in FENCE.findall(_page(page)) if kind == language}


def _anchor(heading: str) -> str:
    """The id that forges give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _fields(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield field.alias or name
        for part in [field.annotation, *getattr(field.annotation, "__args__", ())]:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _fields(part)


def test_generated_parts_are_fresh() -> None:
    stale = [path.name for path, text in GENERATE.pages().items() if path.read_text() != text]
    assert stale == [], "run: .venv/bin/python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    prose = FENCE.sub("", page.read_text())
    for link in LINK.findall(prose):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            text = FENCE.sub("", target.read_text())
            anchors = [_anchor(found) for found in re.findall(r"^#+ (.*)$", text, re.M)]
            assert anchor in anchors, f"{page.name} links to {link}"


@pytest.mark.parametrize("invariant", [f"I{number}" for number in range(1, 15)])
def test_every_invariant_is_listed_with_its_tests_or_as_not_yet_proven(invariant: str) -> None:
    said, proven = re.findall(rf"^\| {invariant} \| (.+)$", _page("invariants.md"), re.M)
    assert "**" in said
    tests = GENERATE.proofs()[invariant]
    assert all(test in proven for test in tests)
    assert bool(tests) != ("not yet proven" in proven)


def test_every_direct_dependency_has_a_row_and_no_other_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]
    names = {match[0] for one in wanted if (match := re.match(r"[A-Za-z0-9._-]+", one))}
    rows = re.findall(r"^\| ([A-Za-z0-9._-]+) \|", _page("dependencies.md"), re.M)
    assert set(rows) - {"Package", "---"} == names


def test_the_example_configuration_is_one_and_every_field_is_explained() -> None:
    page = _page("configuration.md")
    text = _blocks("configuration.md", "yaml")["config"]
    Config.model_validate(strict_yaml.load(text.encode(), limit=1 << 16))
    missing = [name for name in _fields(Config) if not re.search(rf"\b{name}\b", page)]
    assert missing == []


def test_the_example_governance_is_one_and_every_field_is_shown() -> None:
    page, blocks = _page("configuration.md"), _blocks("configuration.md", "yaml")
    blocks |= _blocks("configuration.md", "json")
    targets = {n: blocks[n].encode() for n in (*TARGETS, *OPTIONAL) if n in blocks}
    assert FEED in targets
    root = {"trusted_root.json": b'{"mediaType": "application/vnd.dev.sigstore.trustedroot+json"}'}
    parse(targets | root, revocation_version=1)
    kinds: list[Any] = [model.Namespaces, model.People, model.Trust, model.TierPolicy]
    kinds += [model.Slot, model.Gates, model.Freezes, Exceptions, Feed, Revocations, Rules]
    names = {name for kind in kinds for name in _fields(kind)}
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", page)] == []


def test_every_reason_is_listed() -> None:
    page = _page("operations.md")
    assert [reason.value for reason in Reason if f"| `{reason.value}` |" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_ours_exists(page: Path) -> None:
    known = {*COMMANDS, *PLUGIN}
    text = page.read_text()
    code = [*re.findall(r"`([^`\n]+)`", text), *(block for _, _, block in FENCE.findall(text))]
    for command in re.findall(r"(?:^|\s)interlock ([a-z][a-z-]*)", "\n".join(code), re.M):
        assert command in known, f"{page.name} names `interlock {command}`"


def _differences() -> list[str]:
    return [text for kind, _, text in FENCE.findall(_page("adding.md")) if kind == "diff"]


def _parts(difference: str) -> Iterator[tuple[str, bool, list[str]]]:
    """Yield path, whether the file is new, and the lines that must stand there, by hunk."""
    files = re.findall(r"^--- (\S+)\n\+\+\+ b/(\S+)\n((?:(?!--- ).*\n?)*)", difference, re.M)
    for old, path, body in files:
        for hunk in re.split(r"^@@$", body, flags=re.M):
            kept = [line[1:] for line in hunk.strip("\n").split("\n") if not line.startswith("+")]
            yield path, old == "/dev/null", kept


def test_there_is_a_difference_for_each_of_the_four() -> None:
    assert len(_differences()) == 4


@pytest.mark.parametrize("difference", _differences(), ids=["gate", "evidence", "signal", "action"])
def test_what_adding_shows_fits_the_present_code_and_is_small(difference: str) -> None:
    changed = re.findall(r"^[+-](?!\+\+|--)", difference, re.M)
    assert len(changed) < MAX_CHANGED
    for path, new, kept in _parts(difference):
        file = ROOT / path
        assert file.exists() != new, path
        if not new:
            assert "\n".join(kept) in file.read_text(), f"{path}: {kept}"
