"""Images of the sample agent differ where they should, and its README tells all that it takes."""

import re
import shutil
from pathlib import Path

import pytest

from interlock_sandbox import agentimage
from interlock_sandbox.agentimage import SOURCE, image_config, push_agent
from interlock_sandbox.golang import ToolError
from interlock_sandbox.images import digest, layer
from interlock_sandbox.tools import source_key

README = (SOURCE / "README.md").read_text()


def code(name: str) -> str:
    return (SOURCE / name).read_text()


def test_an_image_starts_the_program_as_nobody_special_and_tells_it_its_version() -> None:
    about = image_config([b"layer"], "1.4.2", {"WORK": "1s", "AGENT_FAULT": "leak"})
    assert about["config"] == {
        "Entrypoint": ["/agent"],
        "Env": ["AGENT_FAULT=leak", "AGENT_VERSION=1.4.2", "WORK=1s"],
        "ExposedPorts": {"8080/tcp": {}},
        "User": "10001:10001",
    }
    assert about["rootfs"] == {"type": "layers", "diff_ids": [digest(b"layer")]}
    assert about["os"] == "linux"


@pytest.mark.parametrize("version", ["", "a b", "-1", "v1\n", "x" * 129])
def test_a_version_that_is_no_tag_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="is no tag"):
        image_config([b""], version, {})


@pytest.mark.parametrize("name", ["", "lower", "A=B", "AGENT_VERSION"])
def test_a_default_that_is_no_variable_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no variable that an image may set"):
        image_config([b""], "1", {name: "x"})


def test_a_program_is_named_after_its_sources_and_its_go(tmp_path: Path) -> None:
    source = tmp_path / "agent"
    shutil.copytree(SOURCE, source)
    key = source_key(SOURCE, "go1")
    assert source_key(source, "go1") == key
    assert source_key(source, "go2") != key
    (source / "README.md").write_text("other words")
    assert source_key(source, "go1") == key
    (source / "main.go").rename(source / "other.go")
    assert source_key(source, "go1") != key


def test_without_a_checkout_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agentimage, "SOURCE", tmp_path)
    with pytest.raises(ToolError, match=r"holds no go\.mod.*checkout"):
        push_agent("127.0.0.1:1", version="1")


def test_a_layer_of_programs_is_executable_and_another_one() -> None:
    assert layer({"agent": b"x"}, mode=0o555) != layer({"agent": b"x"})


def test_the_agent_needs_nothing_but_go() -> None:
    assert not re.search(r"require|replace", code("go.mod"))
    assert not (SOURCE / "go.sum").exists()


def test_no_source_is_longer_than_it_should_be() -> None:
    sources = {path.name: path.read_text().splitlines() for path in SOURCE.glob("*.go")}
    assert [name for name, lines in sources.items() if len(lines) > 200] == []
    assert [line for lines in sources.values() for line in lines if len(line) > 100] == []


def test_every_variable_is_explained() -> None:
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)*)"', code("config.go")))
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.M))
    assert read - {"INTERLOCK_AGENT", "INTERLOCK_REVISION"} == told


def test_every_fault_is_explained() -> None:
    there = re.findall(r'^\t\{"[a-z-]+", "([^"]+)",', code("faults.go"), re.M)
    rows = re.findall(r"^\| `([a-z-]+(?:=[^`]+)?)` \|", README.split("## Faults")[1], re.M)
    assert len(there) > 5
    assert [row.replace("\\|", "|") for row in rows] == there
