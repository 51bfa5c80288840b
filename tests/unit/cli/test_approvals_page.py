"""What docs/approvals.md says can be done by hand is done here by hand."""

import json
import os
import re
from pathlib import Path
from subprocess import run

import pytest

from interlock.evidence import approvals
from interlock.evidence.approvalfile import Forge, Predicate
from support import facts, policies
from support.approver import Desk, desk

PAGE = (Path(__file__).parents[3] / "docs" / "approvals.md").read_text()
RECIPE = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.S | re.M)[0]
STATEMENT = json.loads(re.findall(r"^```json\n(.*?)^```$", PAGE, re.S | re.M)[0])


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk(tmp_path, monkeypatch)


def by_hand(team: Desk, person: str) -> int:
    """Follow the recipe in an empty repository, with the key that people.yaml has of a person."""
    folder = team.home / "by-hand"
    run(["git", "init", "--quiet", str(folder)], check=True)
    ref = approvals.ref_of(facts.CONTENT)
    named = {
        "APPROVALS": team.repo.url,
        "CONTENT": facts.CONTENT,
        "FILE": team.repo.git("ls-tree", "--name-only", ref),
        "PERSON": person,
        "KEY": policies.ssh_line(person),
    }
    done = run(["sh", "-ec", RECIPE], cwd=folder, env=os.environ | named, capture_output=True)  # noqa: PLW1510
    return done.returncode


def test_the_recipe_verifies_an_approval(team: Desk) -> None:
    assert team.approve("quality-1") == 0
    assert by_hand(team, "quality-1") == 0
    said = json.loads((team.home / "by-hand" / "approval.json").read_text())
    assert said["payloadType"] == "application/vnd.in-toto+json"


def test_the_recipe_refuses_another_persons(team: Desk) -> None:
    assert team.approve("quality-1") == 0
    assert by_hand(team, "quality-2") != 0


def test_the_page_names_each_field_that_is_signed() -> None:
    shown = set(STATEMENT["predicate"])
    tabled = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))
    fields = {field.alias or name for name, field in Predicate.model_fields.items()}
    assert shown <= fields
    assert shown | tabled >= fields
    assert all(f"`{name}`" in PAGE for name in Forge.model_fields)
