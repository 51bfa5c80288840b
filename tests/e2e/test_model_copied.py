"""An agent without image volumes: init containers fill its model's folder, and it reads it."""

import hashlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Config
from interlock.api.digests import ModelFile, model_tree
from interlock_sandbox.images import push_image
from support import copier
from support.container import SLOW, Live
from support.controller import TEAMS, write_configuration
from support.engine import Engine, until
from support.onnode import in_cgroup

FILES = {"MLmodel": b"flavors: {}\n", "data/model weights.bin": bytes(range(256)) * 4096}
OTHER = FILES | {"MLmodel": b"flavors: []\n"}
_TEAMS = iter(reversed(TEAMS))


def listed(files: Mapping[str, bytes]) -> list[ModelFile]:
    return [
        ModelFile(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()
    ]


@pytest.fixture(scope="module")
def copying(engine: Engine) -> Iterator[Engine]:
    """The controller as on a cluster without image volumes; afterwards the one from before."""
    known = json.loads((engine.home / "config.json").read_text())
    image = copier.push(engine.sandbox.outputs["registry"])
    told = known | {"modelDelivery": "InitContainer", "modelCopier": image}
    folder = engine.home / "copying"
    folder.mkdir()
    engine.stop()
    engine.start(config=write_configuration(folder, Config.model_validate(told)))
    yield engine
    engine.stop()
    engine.start()


@pytest.fixture
def live(copying: Engine) -> Live:
    return Live.of(copying, next(_TEAMS))


def model(live: Live, pushed: Mapping[str, bytes]) -> dict[str, Any]:
    """A model that is proven to be FILES; its image holds what was pushed."""
    live.agent.engine.verifier.files[live.agent.team] = listed(FILES)
    registry = live.agent.engine.sandbox.outputs["registry"]
    volume = f"{registry}/models/copied@{push_image(registry, 'models/copied', pushed)}"
    tree = f"sha256:{model_tree(listed(FILES))}"
    return {"name": "press", "version": "1", "tree": tree, "volume": volume}


def test_it_reads_the_very_tree_that_was_approved(live: Live) -> None:
    serving = live.serves("1.0.0", model=model(live, FILES))
    (pod,) = live.pods(serving)
    with urllib.request.urlopen(
        f"http://{pod['status']['podIP']}:8080/.well-known/agent"
    ) as answer:
        assert json.loads(answer.read())["modelTree"] == model_tree(listed(FILES))
    copied = pod["status"]["initContainerStatuses"]
    assert [one["state"]["terminated"]["exitCode"] for one in copied] == [0, 0]
    assert [set(one) & {"image"} for one in pod["spec"]["volumes"]] == [set()] * 4
    digests = until(
        lambda: {row["name"]: row["vote"] for row in live.agent.status().get("signals") or []},
        lambda rows: rows.get("digests") == "good",
        "the digests of all containers are those that were rendered",
        SLOW,
    )
    assert "bad" not in digests.values()


def test_it_may_not_change_what_it_reads(live: Live) -> None:
    serving = live.serves("1.0.0", model=model(live, FILES))
    (pod,) = live.pods(serving)
    running = pod["status"]["containerStatuses"][0]["containerID"]
    root = Path(f"/proc/{in_cgroup(running.removeprefix('containerd://'))[0]}/root/models/press")
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert found == FILES.keys()
    with pytest.raises(OSError, match="Read-only file system"):
        (root / "MLmodel").write_bytes(b"")


def test_an_image_with_other_bytes_never_starts_the_agent(live: Live) -> None:
    old = live.serves("1.0.0")
    live.want("1.1.0", model=model(live, OTHER))
    record = until(lambda: live.last("FailedStage"), bool, "the candidate is held", SLOW)
    assert '"MLmodel" has other bytes than the manifest says' in record["spec"]["message"]
    assert live.agent.pointer() == old


def test_without_the_files_nothing_is_made(live: Live) -> None:
    wanted = model(live, FILES)
    del live.agent.engine.verifier.files[live.agent.team]
    live.want("1.0.0", model=wanted)
    live.agent.until("says why", lambda status: "names no files" in str(status), SLOW)
    assert live.agent.objects("AgentRevision") == []
