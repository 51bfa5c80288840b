"""I7: killed before or after any write, the operator converges; nothing is lost or done twice.

Each scenario is played once without a fault; then, one agent a case, the controller gets SIGKILL
before or after one of its writes, or sees the cluster through a watch that is cut, late, doubled,
out of order or has lost events. Whoever comes next must leave every agent exactly as the first
run left its own.
"""

import pytest

from interlock.api import names
from support.controller import image
from support.ending import mark
from support.engine import Agent, Engine
from support.harness import FAULTS, Harness, Scenario, Wish

BAKING = {"rollout": {"bake": "30s", "drain": "1s"}}
ALONE = {"mode": "autonomous"}
REDUCED = 9
"""Of so many sides of writes, the reduced set tries one."""


def _settled(agent: Agent, one: str) -> bool:
    """Whether it serves what was asked for, for good, and could go back."""
    status = agent.status()
    still = status.get("candidate") == "-" == status.get("reason")
    return still and _digest(agent, one) == agent.pointer()


def _digest(agent: Agent, one: str) -> str:
    wanted = image("", mark(agent, one)).rpartition("@")[2]
    found = (
        revision["metadata"]["name"]
        for revision in agent.objects("AgentRevision")
        if revision["spec"]["content"]["image"].endswith(wanted)
    )
    return next(found, "?")


def _serves(agent: Agent) -> str:
    return str(agent.status()["serving"])


def _held(agent: Agent) -> bool:
    return bool(agent.status().get("gate") == "Held")


def _warm(agent: Agent) -> bool:
    return bool(agent.status().get("rollback") == "warm")


def _left(agent: Agent, one: str) -> bool:
    """Whether traffic left it and it has no pods any more."""
    short = _digest(agent, one).rpartition("-")[2]
    gone = not agent.pods(short) and agent.replicas(short) == 0
    return agent.pointer() != _digest(agent, one) and gone


def _quarantined(agent: Agent) -> bool:
    off = agent.pointer() == names.NO_REVISION and not agent.objects("Pod")
    return off and "quarantined by" in agent.status()["reason"]


def _delete(agent: Agent) -> None:
    assert agent.api.delete(agent.path).ok


def _gone(agent: Agent) -> bool:
    deployment = agent.api.get(agent.path).ok
    return not deployment and not agent.api.get(f"/api/v1/namespaces/{agent.home}").ok


FIRST = Scenario(
    "first rollout",
    begin=Wish("new").of,
    done=lambda agent: _settled(agent, "new"),
    history=(),
    marks=("new",),
)
ROLLOUT = Scenario(
    "rollout",
    begin=Wish("new").of,
    done=lambda agent: _settled(agent, "new") and _warm(agent),
    history=(Wish("old"),),
)
FAILED = Scenario(
    "failed rollout",
    begin=Wish("new", "never-ready").of,
    done=lambda agent: _held(agent) and _left(agent, "new"),
    history=(Wish("old"),),
)
AUTOMATIC = Scenario(
    "automatic rollback",
    begin=Wish("new", "turns-unready", BAKING).of,
    done=lambda agent: _held(agent) and _left(agent, "new"),
    history=(Wish("old"),),
)
ROLLBACK = Scenario(
    "rollback",
    begin=lambda agent: agent.ask("AgentRollback", "back", expect=_serves(agent)),
    done=lambda agent: _held(agent) and _left(agent, "new"),
    ready=_warm,
)
QUARANTINE = Scenario(
    "quarantine",
    begin=lambda agent: agent.ask("AgentQuarantine", "off"),
    done=_quarantined,
    ready=_warm,
)
RESTORE = Scenario(
    "restore",
    begin=lambda agent: agent.ask("AgentRelease", "on", quarantine=True),
    done=lambda agent: _settled(agent, "new") and _warm(agent),
    before=lambda agent: agent.ask("AgentQuarantine", "off"),
    ready=_quarantined,
)
FORGET = Scenario(
    "garbage collection",
    begin=Wish("e").of,
    done=lambda agent: (
        _settled(agent, "e") and _warm(agent) and len(agent.objects("AgentRevision")) == len("bcde")
    ),
    history=tuple(map(Wish, "abcd")),
    marks=tuple("abcde"),
    methods=("DELETE",),
)
DELETE = Scenario("delete", begin=_delete, done=_gone, ready=_warm)
SWITCH = Scenario(
    "autonomous switch",
    begin=Wish("new", spec=ALONE).of,
    done=lambda agent: _settled(agent, "new"),
    history=(Wish("old", spec=ALONE),),
    alone=True,
)
SUPERSEDE = Scenario(
    "supersede",
    begin=Wish("next").of,
    done=lambda agent: _settled(agent, "later"),
    history=(Wish("old"),),
    marks=("old", "next", "later"),
    middle=Wish("later").of,
    kept=("pointer", "status", "requests", "quota"),
)
SCENARIOS = (
    FIRST,
    ROLLOUT,
    FAILED,
    AUTOMATIC,
    ROLLBACK,
    QUARANTINE,
    RESTORE,
    FORGET,
    DELETE,
    SWITCH,
    SUPERSEDE,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name.replace(" ", "-"))
def test_the_ending_is_the_same(scenario: Scenario, harness: Harness, full: bool) -> None:
    number = SCENARIOS.index(scenario)
    faults = FAULTS if full else (FAULTS[number % len(FAULTS)],)
    assert harness.play(scenario, 1 if full else REDUCED, faults)


def test_the_ending_is_the_same_after_a_cut_by_revocation(
    harness: Harness, engine: Engine, full: bool
) -> None:
    """The list is everybody's, so each agent's image is on it under its own digest."""

    def revoke(agent: Agent) -> None:
        digest = image("", mark(agent, "new")).rpartition(":")[2]
        with harness.turn:
            engine.verifier.revoke(digest, "stolen key")

    scenario = Scenario(
        "cut by revocation",
        begin=revoke,
        done=lambda agent: agent.status().get("gate") == "Blocked" and _left(agent, "new"),
        ready=_warm,
    )
    assert harness.play(scenario, 1 if full else REDUCED, FAULTS if full else FAULTS[:1])
