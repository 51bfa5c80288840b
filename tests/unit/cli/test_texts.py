"""Behind a digest that changes stands a text, and an approver reads the text that is pinned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api import digests
from interlock.cli import texts
from interlock.evidence.http import SourceUnavailable
from support import facts
from support.approver import Desk, desk

OLD = {"limits.cedar": "permit(principal, action, resource);\nforbid(x, y, z);\n"}
NEW = {"limits.cedar": "permit(principal, action, resource);\n"}


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk(tmp_path, monkeypatch)


def spec(name: str, data: Mapping[str, str], **changes: Any) -> dict[str, Any]:
    digest = f"sha256:{digests.config_map(data)}"
    policies = [{"name": "limits", "configMap": name, "digest": digest}]
    return facts.spec(policies=policies, **changes)


def deliver(team: Desk, name: str, data: Mapping[str, str], stored: Mapping[str, str]) -> str:
    """Commit the agent with a ConfigMap beside it; the content's digest."""
    for other in team.file.parent.glob("limits-*.yaml"):
        other.unlink()
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    (team.file.parent / f"{name}.yaml").write_text(yaml.safe_dump(document | {"data": stored}))
    made = spec(name, data)
    team.commit(made)
    return digests.content("line-4", facts.NAME, made)


def test_what_a_policy_loses_is_shown(team: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    served = deliver(team, "limits-1", OLD, OLD)
    deliver(team, "limits-2", NEW, NEW)
    assert team.approve("quality-1", "--dry-run", "--serving", served) == 0
    said = capsys.readouterr().out
    assert "  --- policies[limits]\n" in said
    assert "  -forbid(x, y, z);\n" in said
    assert "  +" not in said.replace("  +++", "")


def test_a_text_that_is_not_the_pinned_one_is_not_shown(
    team: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(team, "limits-2", NEW, OLD)
    assert team.approve("quality-1", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "policies[limits]: the text now could not be read here, or is not what is pinned" in said
    assert "forbid" not in said


def test_what_does_not_print_in_a_text_is_shown(
    team: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    tricky = {"a": "fine\u00a0 text\n"}
    deliver(team, "limits-3", tricky, tricky)
    assert team.approve("quality-1", "--dry-run") == 0
    assert "fine\\u00a0 text" in capsys.readouterr().out


class Registry:
    """A registry with two versions of a prompt."""

    prompts = {"2": "Be careful.\nAsk a person.\n", "3": "Be careful.\n"}

    def __init__(self, config: object) -> None:
        pass

    def registry(self, name: str) -> "Registry":
        """Itself."""
        return self

    async def prompt(self, name: str, version: str) -> str:
        """The text of a version."""
        if version not in self.prompts:
            raise SourceUnavailable("gone")
        return self.prompts[version]

    async def close(self) -> None:
        """Nothing is open."""


def prompt(version: str, text: str) -> dict[str, Any]:
    digest = f"sha256:{digests.sha256(text.encode())}"
    return {"prompts": [{"name": "system", "version": version, "digest": digest}]}


def configure(team: Desk) -> None:
    (team.home / "config.yaml").write_text(
        '{"cluster": "factory", "registries": {"default": {"mlflow": "https://mlflow.example"}}}'
    )


def test_what_a_prompt_loses_is_shown(
    team: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "World", Registry)
    configure(team)
    before = facts.spec(**prompt("2", Registry.prompts["2"]))
    team.commit(before)
    team.commit(facts.spec(**prompt("3", Registry.prompts["3"])))
    serving = digests.content("line-4", facts.NAME, before)
    assert team.approve("quality-1", "--dry-run", "--serving", serving) == 0
    assert "  -Ask a person.\n" in capsys.readouterr().out


@pytest.mark.parametrize("made", [prompt("3", "what is not there"), prompt("9", "gone")])
def test_a_prompt_that_is_not_the_pinned_one_is_not_shown(
    team: Desk,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    made: dict[str, Any],
) -> None:
    monkeypatch.setattr(texts, "World", Registry)
    configure(team)
    team.commit(facts.spec(**made))
    assert team.approve("quality-1", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "prompts[system]: the text now could not be read here" in said
    assert "careful" not in said
