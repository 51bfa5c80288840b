"""`interlock uninstall`: what it deletes, what it refuses, and what it says is left."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.api import names
from interlock.cli import exits, uninstall
from interlock.cli.main import interlock

Object = dict[str, Any]
OURS = f"/apis/{names.API_VERSION}"


class Cluster:
    """Objects by path, as kubectl would show them; a controller that drains, or none."""

    def __init__(self, *agents: str, drains: bool = True) -> None:
        self.agents = {f"{OURS}/namespaces/line-4/agentdeployments/{one}": one for one in agents}
        self.finalizers = {one: [names.FINALIZER] for one in agents}
        self.others: dict[str, Object] = {}
        self.repositories: list[str] = []
        self.drains = drains
        self.deleted: list[str] = []
        for one in agents:
            home = names.agent_namespace("line-4", one)
            self.others[f"/api/v1/namespaces/{home}"] = {"metadata": {"name": home}}

    def holds_lease(self, age: timedelta = timedelta(0)) -> None:
        at = (datetime.now(UTC) - age).isoformat()
        spec = {"holderIdentity": "one", "renewTime": at}
        self.others[uninstall.LEASE] = {"spec": spec}

    # what the command asks of kubectl

    def __call__(self, *args: str) -> "Cluster":
        return self

    def within(self, namespace: str) -> "Cluster":
        return self

    def items(self, path: str) -> list[Object]:
        if path.endswith("agentrepositories"):
            return [{"metadata": {"namespace": "line-4", "name": n}} for n in self.repositories]
        return [self._agent(name) for name in self.agents.values()]

    def get(self, path: str) -> Object | None:
        if path in self.agents:
            return self._agent(self.agents[path])
        return self.others.get(path)

    def delete(self, path: str) -> None:
        name = self.agents[path]
        self.deleted.append(name)
        if self.drains:
            del self.others[f"/api/v1/namespaces/{names.agent_namespace('line-4', name)}"]
            self.finalizers[name].remove(names.FINALIZER)
            self._let_go(name)

    def patch(self, resource: str, name: str, body: Object) -> None:
        assert body["metadata"]["resourceVersion"] == "7"
        self.finalizers[name] = body["metadata"]["finalizers"]
        self._let_go(name)

    def _let_go(self, name: str) -> None:
        if not self.finalizers[name]:
            self.agents = {path: one for path, one in self.agents.items() if one != name}

    def _agent(self, name: str) -> Object:
        meta: Object = {"namespace": "line-4", "name": name, "uid": name, "resourceVersion": "7"}
        meta["finalizers"] = self.finalizers[name]
        return {"metadata": meta, "status": {"serving": "9f3c51b6e0"}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uninstall, "PAUSE", 0)


def run(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, *args: str) -> int:
    monkeypatch.setattr(uninstall, "Kubectl", cluster)
    return exits.main(interlock, "interlock", ["uninstall", *args])


Pytest = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]


def test_all_agents_go_and_the_last_command_is_named(monkeypatch: Pytest, capsys: Capture) -> None:
    cluster = Cluster("press", "vision")
    assert run(monkeypatch, cluster, "--yes") == exits.OK
    assert sorted(cluster.deleted) == ["press", "vision"]
    out = capsys.readouterr().out
    assert "line-4/press   serves 9f3c51b6e0" in out
    assert "2 of 2 are gone" in out
    assert out.endswith("kubectl delete -k manifests\n")


def test_without_a_yes_nothing_happens(monkeypatch: Pytest, capsys: Capture) -> None:
    cluster = Cluster("press")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert run(monkeypatch, cluster) == exits.REFUSED
    assert cluster.deleted == []


def test_without_agents_there_is_nothing_to_ask(monkeypatch: Pytest, capsys: Capture) -> None:
    assert run(monkeypatch, Cluster()) == exits.OK
    assert capsys.readouterr().out.startswith("There are no agents.")


def test_in_one_namespace_interlock_itself_stays(monkeypatch: Pytest, capsys: Capture) -> None:
    assert run(monkeypatch, Cluster("press"), "--yes", "-n", "line-4") == exits.OK
    assert "kubectl delete -k" not in capsys.readouterr().out


def test_what_would_bring_them_back_goes_first(monkeypatch: Pytest, capsys: Capture) -> None:
    cluster = Cluster("press")
    cluster.repositories = ["agents"]
    assert run(monkeypatch, cluster, "--yes") == exits.REFUSED
    assert "kubectl delete arepo --all -A" in capsys.readouterr().err
    assert cluster.deleted == []


def test_what_still_waits_is_named_with_its_reason(monkeypatch: Pytest, capsys: Capture) -> None:
    cluster = Cluster("press", drains=False)
    assert run(monkeypatch, cluster, "--yes", "--timeout", "0") == exits.FAILED
    err = capsys.readouterr().err
    assert "line-4/press: nobody has deleted its namespace agent-line-4-press-" in err
    assert "No controller acts" in err

    home = names.agent_namespace("line-4", "press")
    said = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "pods remain"}
    going = {"metadata": {"deletionTimestamp": "x"}, "status": {"conditions": [said]}}
    cluster.others[f"/api/v1/namespaces/{home}"] = going
    cluster.holds_lease()
    assert run(monkeypatch, cluster, "--yes", "--timeout", "0") == exits.FAILED
    err = capsys.readouterr().err
    assert f"its namespace {home} is going: pods remain" in err
    assert "No controller acts" not in err


def test_another_finalizer_is_named(monkeypatch: Pytest, capsys: Capture) -> None:
    cluster = Cluster("press")
    cluster.finalizers["press"].append("backup.example/hold")
    assert run(monkeypatch, cluster, "--yes", "--timeout", "0") == exits.FAILED
    assert "it is held by backup.example/hold" in capsys.readouterr().err


def test_force_gives_them_free_and_names_what_stays(monkeypatch: Pytest, capsys: Capture) -> None:
    cluster = Cluster("press", drains=False)
    cluster.holds_lease(timedelta(minutes=5))
    cluster.finalizers["press"].append("backup.example/hold")
    assert run(monkeypatch, cluster, "--yes", "--force") == exits.OK
    assert cluster.finalizers["press"] == ["backup.example/hold"]
    home, out = names.agent_namespace("line-4", "press"), capsys.readouterr().out
    assert f"kubectl delete namespace {home}\n" in out
    assert uninstall.LOCK in out


def test_force_is_refused_while_somebody_acts(monkeypatch: Pytest, capsys: Capture) -> None:
    cluster = Cluster("press")
    cluster.holds_lease()
    assert run(monkeypatch, cluster, "--yes", "--force") == exits.REFUSED
    assert "the controller one acts" in capsys.readouterr().err
    assert cluster.deleted == []
