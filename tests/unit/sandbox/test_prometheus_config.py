"""What the sandbox's Prometheus is told, checked by Prometheus' own tool."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from interlock_sandbox.pod_targets import targets
from interlock_sandbox.prometheus import Prometheus, add_target


def test_the_configuration_is_valid_and_honors_no_labels_of_pods(tmp_path: Path) -> None:
    Prometheus().specs(tmp_path)
    config = tmp_path / "prometheus" / "prometheus.json"
    checked = subprocess.run(
        ["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (job,) = json.loads(config.read_text())["scrape_configs"]
    assert job["honor_labels"] is False
    given = {rule["target_label"] for rule in job["relabel_configs"]}
    assert given == {"namespace", "interlock_revision"}


def pod(phase: str = "Running", address: str = "10.244.0.9", port: str = "http") -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "agent-a",
            "name": "press-1-x",
            "labels": {"interlock.dev/revision": "press-1", "namespace": "agent-b"},
        },
        "spec": {"containers": [{"ports": [{"name": port, "containerPort": 8080}]}]},
        "status": {"phase": phase, "podIP": address},
    }


def test_pods_that_run_are_scraped_as_whose_the_api_server_says_they_are() -> None:
    found = targets([pod(), pod(phase="Pending"), pod(address=""), pod(port="other")])
    labels = {"namespace": "agent-a", "pod": "press-1-x", "interlock_revision": "press-1"}
    assert found == [{"targets": ["10.244.0.9:8080"], "labels": labels}]


def test_without_the_program_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match="apt-get install prometheus"):
        Prometheus().specs(tmp_path)


def test_a_target_is_a_file(tmp_path: Path) -> None:
    file = add_target(tmp_path, "127.0.0.1:9", "agent-a", "press-1")
    (entry,) = json.loads(file.read_text())
    assert entry["labels"] == {"namespace": "agent-a", "interlock_revision": "press-1"}
    assert list(tmp_path.iterdir()) == [file]
