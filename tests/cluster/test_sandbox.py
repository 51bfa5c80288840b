"""The sandbox is a real cluster while it is up, and nothing at all afterwards."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from interlock_sandbox.process import http_ok, marked
from interlock_sandbox.sandbox import NotUp, Sandbox, open_existing


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and not zombie(pid)]


def zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def start_pod(cluster: Sandbox, name: str, image: str) -> None:
    container = {"name": "agent", "image": image}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container]},
    }
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(pod))


def wait_pod(cluster: Sandbox, name: str, condition: str) -> None:
    cluster.kubectl("wait", f"pod/{name}", f"--for={condition}", "--timeout=30s")


def test_a_pod_is_ready_at_once_and_gone_at_once(cluster: Sandbox) -> None:
    start_pod(cluster, "fine", "registry.example/agents/fine:1@sha256:" + "0" * 64)
    wait_pod(cluster, "fine", "condition=Ready")
    status = json.loads(cluster.kubectl("get", "pod", "fine", "-o", "json"))["status"]
    assert status["containerStatuses"][0]["ready"]
    assert status["podIP"].startswith("10.244.")
    cluster.kubectl("delete", "pod", "fine", "--timeout=10s")


def test_never_ready_runs_and_stays_unready(cluster: Sandbox) -> None:
    start_pod(cluster, "never", "registry.example:5000/agents/never-ready:2")
    wait_pod(cluster, "never", "jsonpath={.status.phase}=Running")
    wait_pod(cluster, "never", "condition=Ready=false")
    status = json.loads(cluster.kubectl("get", "pod", "never", "-o", "json"))["status"]
    assert status["containerStatuses"][0]["started"]
    assert "running" in status["containerStatuses"][0]["state"]


def test_turns_unready_is_ready_first(cluster: Sandbox) -> None:
    start_pod(cluster, "turns", "registry.example/agents/turns-unready@sha256:" + "1" * 64)
    wait_pod(cluster, "turns", "condition=Ready")
    wait_pod(cluster, "turns", "condition=Ready=false")


def test_only_the_repository_chooses_the_fate(cluster: Sandbox) -> None:
    start_pod(cluster, "tagged", "registry.example/agents/fine:never-ready")
    start_pod(cluster, "prefixed", "registry.example/never-ready/fine:1")
    wait_pod(cluster, "tagged", "condition=Ready")
    wait_pod(cluster, "prefixed", "condition=Ready")


def test_nobody_gets_in_without_a_name(cluster: Sandbox) -> None:
    context = ssl.create_default_context(cafile=cluster.outputs["kubernetes_ca"])
    host = cluster.outputs["kubernetes_url"].removeprefix("https://")
    with closing(http.client.HTTPSConnection(host, context=context, timeout=10)) as connection:
        connection.request("GET", "/api")
        assert connection.getresponse().status == 401


def test_another_authority_is_not_trusted(cluster: Sandbox) -> None:
    assert not http_ok(f"{cluster.outputs['kubernetes_url']}/readyz")


def test_a_service_account_gets_in_as_itself_with_no_rights(cluster: Sandbox) -> None:
    config = str(cluster.kubeconfig_for("kube-public", "default"))
    mine = ("--kubeconfig", config, "auth")
    who = json.loads(cluster.kubectl(*mine, "whoami", "-o", "json"))
    assert who["status"]["userInfo"]["username"] == "system:serviceaccount:kube-public:default"
    with pytest.raises(RuntimeError):
        cluster.kubectl(*mine, "can-i", "create", "pods")


def test_what_was_done_is_in_the_audit_log_with_the_name_of_who_did_it(cluster: Sandbox) -> None:
    cluster.kubectl("create", "configmap", "audited")
    log = Path(cluster.outputs["audit_log"]).read_text().splitlines()
    entries = [json.loads(line) for line in log if '"audited"' in line]
    assert {entry["user"]["username"] for entry in entries} == {"sandbox-admin"}
    assert "create" in {entry["verb"] for entry in entries}


def test_secrets_on_disk_are_for_the_owner_alone(cluster: Sandbox) -> None:
    secret = [cluster.home, cluster.home / "state.json", cluster.kubeconfig]
    secret += [*cluster.home.glob("kubernetes/*.key"), *cluster.home.glob("*/*.kubeconfig")]
    assert len(secret) > 8
    assert [file for file in secret if file.stat().st_mode & 0o077] == []


def test_several_run_at_once(cluster: Sandbox) -> None:
    with Sandbox(("registry",)) as one, Sandbox(("registry",)) as other:
        assert len({one.home, other.home, cluster.home}) == 3
        for sandbox in (one, other):
            assert http_ok(f"http://{sandbox.outputs['registry']}/v2/")


def test_a_program_killed_under_it_does_not_take_the_others_along() -> None:
    with Sandbox(("registry",)) as sandbox:
        os.kill(sandbox.state.pids["registry"], signal.SIGKILL)
        log = sandbox.home / "logs" / "supervisor.log"
        wait_for(lambda: "registry ended with exit code -9" in log.read_text())
        assert open_existing(sandbox.home).state == sandbox.state


def command(home: Path, *arguments: str, module: str = "main") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", f"interlock_sandbox.{module}", *arguments, "--home", str(home)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)


def test_up_status_env_down(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert command(home, "status").returncode == 1
    first = command(home, "up", "--parts=kubernetes")
    assert first.returncode == 0, first.stderr
    try:
        assert command(home, "up", "--parts=kubernetes").stdout == first.stdout
        assert "is up without registry" in command(home, "up", "--parts=registry").stderr
        shown = json.loads(command(home, "status", "-o", "json").stdout)
        assert set(shown["programs"].values()) == {True}
        assert f"export KUBECONFIG={home}/kubernetes/admin" in command(home, "env").stdout
        second = command(home, "--part=registry", module="supervisor")
        assert (second.returncode, "Another supervisor" in second.stderr) == (1, True)
        state = open_existing(home).state
    finally:
        assert command(home, "down").returncode == 0
    wait_for(lambda: alive([state.supervisor, *state.pids.values()]) == [])
    assert marked(home) == []
    assert not home.exists()
    assert command(home, "down").returncode == 0


def test_up_never_empties_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("years")
    result = command(tmp_path, "up", "--parts=registry")
    assert (result.returncode, "Give an empty folder" in result.stderr) == (1, True)
    assert "There was no sandbox" in command(tmp_path, "down").stdout
    assert precious.read_text() == "years"


def test_nothing_survives_when_the_supervisor_is_killed() -> None:
    with Sandbox(("kubernetes",)) as sandbox:
        assert alive(sandbox.state.pids.values())
        os.kill(sandbox.state.supervisor, signal.SIGKILL)
        wait_for(lambda: alive(sandbox.state.pids.values()) == [])
        wait_for(lambda: not sandbox.home.exists())
        assert marked(sandbox.home) == []


def test_nothing_survives_when_the_one_who_wanted_it_is_killed() -> None:
    code = (
        "from interlock_sandbox.sandbox import Sandbox\n"
        "with Sandbox(('registry',)) as sandbox:\n"
        "    print(sandbox.home, sandbox.state.supervisor, flush=True)\n"
        "    input()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with owner:
        assert owner.stdout
        home, supervisor = owner.stdout.readline().split()
        owner.kill()
        wait_for(lambda: alive([int(supervisor)]) == [])
    assert marked(Path(home)) == []
    assert not Path(home).exists()


def test_a_part_that_fails_shows_the_end_of_its_log_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd = tmp_path / "etcd"
    etcd.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "etcd Version: 3.6.0" && exit\n'
        "echo no space left on device; exit 9\n"
    )
    etcd.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    sandbox = Sandbox(("registry", "kubernetes"))
    with pytest.raises(NotUp) as caught:
        sandbox.__enter__()
    assert "etcd: it ended with exit code 9 before it was ready" in str(caught.value)
    assert "no space left on device" in str(caught.value)
    assert marked(sandbox.home) == []
    assert not sandbox.home.exists()
