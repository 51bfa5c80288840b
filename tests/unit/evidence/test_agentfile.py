"""Which file declares the content in question."""

import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api import digests
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.evidence.agentfile import MAX_VALUES, Wanted, declares, find
from interlock.policy import strict_yaml
from support import gitrepos
from support.gitrepos import MAIN, Repo

SPEC = {"riskTier": "low", "image": f"registry.example/a/press@sha256:{'a' * 64}"}
CONTENT = digests.content("line-4", "press", AgentDeploymentSpec.model_validate(SPEC).dump())
WANTED = Wanted("line-4", "press", CONTENT)


def document(**changes: Any) -> bytes:
    whole = {"kind": "AgentDeployment", "metadata": {"name": "press"}, "spec": SPEC}
    return json.dumps(whole | changes).encode()


def test_defaults_and_operational_fields_do_not_change_the_content() -> None:
    assert declares(document(), WANTED)
    assert declares(document(metadata={"name": "press", "namespace": "line-4"}), WANTED)
    assert declares(document(spec={**SPEC, "replicas": 7, "port": 8080}), WANTED)


@pytest.mark.parametrize(
    "data",
    [
        document(kind="AgentRollback"),
        document(metadata={"name": "other"}),
        document(metadata={"name": "press", "namespace": "line-5"}),
        document(metadata=None),
        document(spec={**SPEC, "port": 8081}),
        document(spec={**SPEC, "hostNetwork": True}),
        document(spec=None),
        b"kind: [",
        b"a: 1\na: 2",
        b"",
    ],
)
def test_another_document_does_not_declare_it(data: bytes) -> None:
    assert not declares(data, WANTED)


@pytest.mark.parametrize("folder", ["", "agents"])
async def test_the_file_is_found_below_the_folder(tmp_path: Path, folder: str) -> None:
    repo, mirror = Repo(tmp_path / "repo.git"), gitrepos.mirror(tmp_path / "mirror.git")
    files = {"agents/b/press.yml": document(), "agents/a.yaml": b"[", "elsewhere.yaml": b"{}"}
    commit = repo.commit(files)
    await mirror.fetch(repo.url, {MAIN: MAIN})
    assert await find(mirror, commit, folder, WANTED) == "agents/b/press.yml"
    assert await find(mirror, commit, "nowhere", WANTED) is None
    other = Wanted("line-4", "press", "0" * 64)
    assert await find(mirror, commit, folder, other) is None


def test_files_that_take_long_to_read_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may push would keep the verifier of all teams busy for minutes."""
    read = 0
    whole = strict_yaml._scalar

    def counting(event: Any) -> object:
        nonlocal read
        read += 1
        return whole(event)

    monkeypatch.setattr(strict_yaml, "_scalar", counting)
    assert not declares(b"x: [" + b"1," * 100_000 + b"1]", WANTED)
    assert read == 0  # it does not name the agent
    assert not declares(b"press: [" + b"1," * 100_000 + b"1]", WANTED)
    assert read <= MAX_VALUES
