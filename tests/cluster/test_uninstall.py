"""`interlock uninstall` with a real kubectl: with a controller that drains, and without one."""

import os
import shutil
import subprocess
import sys

import pytest

from interlock_sandbox.sandbox import Sandbox
from support.controller import TEAMS
from support.engine import Agent, Engine
from support.kube import Api, until


class Shell:
    """An administrator's terminal."""

    def __init__(self, sandbox: Sandbox) -> None:
        beside = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        self._env = os.environ | {
            "KUBECONFIG": str(sandbox.kubeconfig),
            "KUBECTL": shutil.which("kubectl", path=beside) or "kubectl",
        }

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `interlock uninstall`."""
        code = "from interlock.cli.main import main; main()"
        words = [sys.executable, "-c", code, "uninstall", *args]
        return subprocess.run(words, capture_output=True, check=False, text=True, env=self._env)


@pytest.fixture
def shell(installed: Sandbox) -> Shell:
    return Shell(installed)


def there(agent: Agent) -> tuple[bool, bool]:
    """Whether the AgentDeployment and its namespace exist."""
    home = agent.api.get(f"/api/v1/namespaces/{agent.home}")
    return agent.api.get(agent.path).ok, home.ok


def test_agents_go_with_their_namespaces_and_others_stay(
    engine: Engine, fresh: Agent, shell: Shell
) -> None:
    agents = [engine.agent(TEAMS[-3], name) for name in ("one", "two")]
    fresh.serves("a")
    for agent in agents:
        agent.serves("a")
    done = shell("-n", TEAMS[-3], "--yes", "--timeout", "60")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 are gone" in done.stdout
    assert [there(agent) for agent in agents] == [(False, False)] * 2
    assert there(fresh) == (True, True)


def test_without_a_controller_force_gives_them_free(
    engine: Engine, controller: Api, shell: Shell
) -> None:
    agent = engine.agent(TEAMS[-4])
    agent.serves("a")
    refused = shell("-n", TEAMS[-4], "--yes", "--force")
    assert refused.returncode == 1
    assert "acts. It removes agents' namespaces" in refused.stderr
    engine.stop()
    try:
        late = shell("-n", TEAMS[-4], "--yes", "--timeout", "0")
        assert late.returncode == 3
        assert f"nobody has deleted its namespace {agent.home} yet" in late.stderr
        assert "No controller acts" in late.stderr

        done = shell("-n", TEAMS[-4], "--yes", "--force")
        assert done.returncode == 0, done.stderr
        assert f"kubectl delete namespace {agent.home}" in done.stdout
        assert there(agent) == (False, True)
    finally:
        engine.start()
    assert controller.delete(f"/api/v1/namespaces/{agent.home}").ok
    until(lambda: not there(agent)[1], "the namespace is gone")
