"""The sandbox's engine has no network, and a machine that cannot run one is told how to."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from interlock_sandbox import docker, scanner, tools
from interlock_sandbox.docker import Docker, DockerError

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)


def programs(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).write_text("")
        (folder / name).chmod(0o755)
    return str(folder)


def test_what_is_missing_is_told_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(DockerError, match=r"needs dockerd, containerd, .*docker\.io"):
        docker.check(programs(tmp_path, "runc", "unshare"))
    docker.check(programs(tmp_path, "dockerd", "containerd"))


def test_only_root_can_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(DockerError, match="run as root"):
        docker.check()


def test_the_engine_touches_no_network_and_nothing_outside_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "check", lambda: None)
    part = Docker()
    (spec,) = part.specs(tmp_path)
    said = json.loads((tmp_path / "docker" / "daemon.json").read_text())
    assert said["bridge"] == "none"
    assert not any(said[name] for name in ("iptables", "ip6tables", "ip-forward", "ip-masq"))
    for name in ("data-root", "exec-root", "pidfile"):
        assert Path(said[name]).is_relative_to(tmp_path)
    assert said["hosts"] == [part.outputs()["docker_host"]]
    assert {"--mount", "--pid", "--kill-child"} <= set(spec.argv)
    assert not spec.ready()


def test_the_database_is_in_trivys_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[str, Any] = {}

    def run(argv: tuple[Path, Path], *, input: str, **_: object) -> None:  # noqa: A002
        written.update(json.loads(input))
        argv[1].write_text("")

    monkeypatch.setattr(tools, "compiled", lambda _: Path("vulndb"))
    monkeypatch.setattr(subprocess, "run", run)
    cache = scanner.write_database(tmp_path / "cache", NOW)
    said = json.loads((cache / "db" / "metadata.json").read_text())
    assert (said["Version"], said["UpdatedAt"]) == (2, "2026-11-20T06:00:00+00:00")
    pip = written["pip::GitHub Security Advisory Pip"]
    assert json.loads(pip["werkzeug"]["CVE-2019-14806"]) == {
        "PatchedVersions": ["0.15.3"],
        "VulnerableVersions": ["< 0.15.3"],
    }
    assert json.loads(written["debian 12"]["zlib"]["CVE-2023-45853"]) == {"Status": 5}
    detail = json.loads(written["vulnerability"]["CVE-2023-45853"])
    assert detail["VendorSeverity"] == {"nvd": 4}
    modes = {path.stat().st_mode & 0o777 for path in (cache, *cache.rglob("*"))}
    assert modes == {0o755, 0o644}
