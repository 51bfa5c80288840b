"""A file in `operator/` would shadow the standard library's module of that name."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_operator_folder_holds_no_python_file() -> None:
    assert not list((ROOT / "operator").glob("*.py"))


def test_lock_names_no_registry_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index-url" not in text


def test_no_python_file_is_longer_than_400_lines() -> None:
    folders = ("operator", "pipelines", "sandbox", "tests", "bench", "crds", "examples")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in files if len(path.read_text().splitlines()) > 400] == []
