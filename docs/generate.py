"""Writes the parts of the pages beside it that follow from the code, so that they cannot go stale.

python docs/generate.py            write them
python docs/generate.py --check    exit 1 if a page is not what would be written
"""

import argparse
import importlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import click

from interlock.api.reasons import Reason
from interlock.cli.plugin import COMMANDS, interlock
from interlock.decide import RULES
from interlock.gates import ALWAYS, GATES

_FOLDER = Path(__file__).parent
_ROOT = _FOLDER.parent
_OPERATOR = _ROOT / "operator" / "interlock"
_TESTS = _ROOT / "tests"
_PART = re.compile(r"(<!-- generated: ([a-z]+) -->\n).*?(<!-- end of generated -->)", re.S)
_DOCSTRING = re.compile(r'"""(.*?)(?:"""|\n\n)', re.S)
_NAMED = re.compile(r"def (test((?:_i\d+)+)_\w+)\(")
_GIVEN = re.compile(r'\bReason\.([A-Z_]+)\b|"reason": "([A-Z][A-Za-z]+)"')
_SHARED = frozenset({"kubeconfig", "context", "namespace", "output", "help"})
"""Options that each command of the plugin takes; the page says so once."""
WALKS = range(60)
"""Walks from which the state diagram is drawn."""
OFTEN = 3
"""So often a step must have led from one state to another to be drawn: once is an accident."""
INVARIANTS = tuple(f"I{number}" for number in range(1, 15))


def rendered(page: str) -> str:
    """Return a page with its generated parts as they follow from the code now."""
    return _PART.sub(lambda part: part[1] + "\n" + PARTS[part[2]]() + "\n" + part[3], page)


def pages() -> dict[Path, str]:
    """Return each page that has generated parts, and what it should be."""
    texts = {path: path.read_text() for path in sorted(_FOLDER.glob("*.md"))}
    return {path: rendered(text) for path, text in texts.items() if _PART.search(text)}


@cache
def proofs() -> dict[str, list[str]]:
    """Return, by invariant, the tests that name it: functions, and files by their docstring."""
    found: dict[str, list[str]] = {each: [] for each in INVARIANTS}
    for path in sorted(_TESTS.rglob("test_*.py")):
        text, where = path.read_text(), path.relative_to(_ROOT).as_posix()
        about = _DOCSTRING.match(text)
        for named in re.findall(r"\bI\d+\b", about[1] if about else ""):
            found.get(named, []).append(f"all of `{where}`")
        for function, marks in _NAMED.findall(text):
            for mark in marks.split("_")[1:]:
                found.get(mark.upper(), []).append(f"`{where}`: `{function}`")
    return found


def _layers() -> str:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    others = [f"- {one['name']}" for one in contracts if one["type"] != "layers"]
    lines = [layer.replace("interlock.", "").replace(" | ", "   ") for layer in layers]
    return "\n".join(["```text", *lines, "```", "", "Beside the layers, these hold:", "", *others])


def _rules() -> str:
    return _table(
        ("#", "Rule", "In", "What it says"),
        (
            (str(number), f"`{rule.__name__}`", _place(rule), _sentences(rule.__doc__))
            for number, rule in enumerate(RULES, start=1)
        ),
    )


def _gates() -> str:
    rows = []
    for number, (name, gate) in enumerate(GATES, start=1):
        asked = "always" if name in ALWAYS else "by tier"
        module = sys.modules[gate.__module__]
        rows.append((str(number), f"`{name}`", asked, _sentences(module.__doc__)))
    return _table(("#", "Gate", "Runs", "What it says"), rows)


def _reasons() -> str:
    given: dict[str, set[str]] = {reason.name: set() for reason in Reason}
    for path in _OPERATOR.rglob("*.py"):
        for name, value in _GIVEN.findall(path.read_text()):
            package = path.relative_to(_OPERATOR).parts[0]
            given.get(name or Reason(value).name, set()).add(package)
    rows = (
        (f"`{reason.value}`", ", ".join(sorted(given[reason.name])) or "not by this version")
        for reason in Reason
    )
    return _table(("Reason", "Given by"), rows)


def _proofs() -> str:
    rows = []
    for invariant, tests in proofs().items():
        shown = "<br>".join(dict.fromkeys(tests)) or "**not yet proven: no test names it**"
        rows.append((invariant, shown))
    return _table(("Invariant", "Tests that name it"), rows)


def _cheats() -> str:
    live = set(re.findall(r"test_b(\d\d)_", (_TESTS / "e2e/test_forge_bridge.py").read_text()))
    rows = []
    for path in sorted((_TESTS / "attack").glob("test_b[0-9][0-9]_*.py")):
        number = path.name[6:8]
        about = _DOCSTRING.match(path.read_text())
        tried = f"`{path.stem}`" + (", and on a real Gitea" if number in live else "")
        rows.append((str(int(number)), _sentences(about[1] if about else ""), tried))
    return _table(("#", "Attack", "Tried by"), rows)


def _plugin() -> str:
    rows = []
    context = click.Context(interlock)
    for name in COMMANDS:
        command = interlock.get_command(context, name) or interlock
        usage = " ".join([f"`{name}`", *map(_usage, command.params)]).replace("` `", " ")
        example = (command.epilog or "").rpartition("Example:")[2].split("\n")[1].strip()
        rows.append((usage.strip(), _sentences(command.help), f"`{example}`"))
    return _table(("Command", "Does", "Example"), rows)


def _usage(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        word = parameter.metavar or (parameter.name or "").upper()
        return f"`{word}`" if parameter.required else f"`[{word}]`"
    if not isinstance(parameter, click.Option) or parameter.name in _SHARED:
        return ""
    long = max(parameter.opts, key=len)
    text = long if parameter.is_flag else f"{long} {(parameter.name or '').upper()}"
    return f"`{text}`" if parameter.required else f"`[{text}]`"


@cache
def edges() -> dict[tuple[str, str], list[str]]:
    """Return from where to where steps lead, and which, as a random walk of the rules shows."""
    sys.path.insert(0, str(_TESTS))
    walker = importlib.import_module("support.walker")
    found: dict[tuple[str, str], list[str]] = {}
    for (before, step, after), count in sorted(walker.edges(WALKS).items()):
        if before != after and count >= OFTEN:
            found.setdefault((before, after), []).append(step)
    return found


def _states() -> str:
    lines = [f"    {one} --> {two}: {', '.join(steps)}" for (one, two), steps in edges().items()]
    first = f"    [*] --> {Reason.ADMITTED.value}"
    return "\n".join(["```mermaid", "stateDiagram-v2", first, *lines, "```"])


PARTS: dict[str, Callable[[], str]] = {
    "layers": _layers,
    "rules": _rules,
    "gates": _gates,
    "reasons": _reasons,
    "proofs": _proofs,
    "cheats": _cheats,
    "states": _states,
    "plugin": _plugin,
}


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _place(rule: Callable[..., object]) -> str:
    return "`" + rule.__module__.removeprefix("interlock.").replace(".", "/") + ".py`"


def _sentences(docstring: str | None) -> str:
    """Return the first paragraph of a docstring on one line, safe inside a table."""
    first = (docstring or "").strip().partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def main() -> int:
    """Write or check, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args().check
    stale = {path: text for path, text in pages().items() if path.read_text() != text}
    for path, text in stale.items():
        print(f"{path.relative_to(_ROOT)} is stale", file=sys.stderr)
        if not check:
            path.write_text(text)
    if stale and check:
        print("Run: .venv/bin/python docs/generate.py", file=sys.stderr)
    return int(bool(stale) and check)


if __name__ == "__main__":
    sys.exit(main())
