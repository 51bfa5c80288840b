"""What is asked of an agent while its controller dies, and how one sees that it is over."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

from interlock.api import names
from support.controller import image
from support.ending import mark, told
from support.engine import Agent
from support.harness import Scenario, Wish
from support.policies import email

BAKING = {"rollout": {"bake": "10m", "drain": "1s"}}
ALONE = {"mode": "autonomous"}
OF_GLASS = "/(agentbreakglasses|agenttransitions|gatedecisions|events)"
"""Writes that break-glass adds to a rollout."""
LET_IN = Counter(BreakGlass=2, LetInByBreakGlass=1)
LEFT = Counter(BreakGlass=1, LetInByBreakGlass=1, Unratified=1)
_TURN = threading.Lock()


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


def _fails(agent: Agent, one: str) -> bool:
    """Its pods turn unready as soon as it serves, whoever runs or does not at that moment."""
    name = _digest(agent, one)
    if agent.pointer() == name:
        agent.turn_unready(name.rpartition("-")[2])
    return True


def _revoke(agent: Agent) -> None:
    """The list is everybody's, so each agent's image is on it under its own digest."""
    with _TURN:
        agent.engine.verifier.revoke(image("", mark(agent, "new")).rpartition(":")[2], "stolen key")


def _quarantined(agent: Agent) -> bool:
    off = agent.pointer() == names.NO_REVISION and not agent.objects("Pod")
    return off and "quarantined by" in agent.status()["reason"]


def _blocked(agent: Agent) -> bool:
    """Whether what was asked for waits for people."""
    status = agent.status()
    return status.get("candidate", "-") != "-" and status.get("gate") == "Blocked"


def _break_glass(agent: Agent, *persons: str) -> None:
    """Each lets what was asked for past its missing approvals."""
    wanted = agent.api.get(agent.place("AgentRevision", _digest(agent, "new"))).body["spec"]
    word = {
        "digest": wanted["digest"],
        "ticket": "INC-4711",
        "expires": f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    }
    for person in persons:
        user = agent.api.named(email(person), "system:masters")
        agent.ask("AgentBreakGlass", person, by=user, **word)


def _let_in(agent: Agent) -> bool:
    stays = _digest(agent, "new") == agent.pointer() and agent.status()["breakGlass"] == "LetIn"
    return stays and _warm(agent) and told(agent) >= LET_IN


def _given_up(agent: Agent) -> bool:
    return _held(agent) and _left(agent, "new") and told(agent) >= LEFT


def _delete(agent: Agent) -> None:
    assert agent.api.delete(agent.path).ok


def _gone(agent: Agent) -> bool:
    deployment = agent.api.get(agent.path).ok
    return not deployment and not agent.api.get(f"/api/v1/namespaces/{agent.home}").ok


FIRST = Scenario(
    "first rollout",
    fault="cut",
    begin=Wish("new").of,
    done=lambda agent: _settled(agent, "new"),
    history=(),
    marks=("new",),
)
ROLLOUT = Scenario(
    "rollout",
    fault="delayed",
    begin=Wish("new").of,
    done=lambda agent: _settled(agent, "new") and _warm(agent),
    history=(Wish("old"),),
)
FAILED = Scenario(
    "failed rollout",
    fault="duplicated",
    begin=Wish("new", "never-ready").of,
    done=lambda agent: _held(agent) and _left(agent, "new"),
    history=(Wish("old"),),
)
AUTOMATIC = Scenario(
    "automatic rollback",
    fault="reordered",
    begin=Wish("new", spec=BAKING).of,
    done=lambda agent: _fails(agent, "new") and _held(agent) and _left(agent, "new"),
    history=(Wish("old"),),
)
ROLLBACK = Scenario(
    "rollback",
    fault="lost",
    begin=lambda agent: agent.ask("AgentRollback", "back", expect=_serves(agent)),
    done=lambda agent: _held(agent) and _left(agent, "new"),
    ready=_warm,
)
QUARANTINE = Scenario(
    "quarantine",
    fault="cut",
    begin=lambda agent: agent.ask("AgentQuarantine", "off"),
    done=_quarantined,
    ready=_warm,
)
RESTORE = Scenario(
    "restore",
    fault="delayed",
    begin=lambda agent: agent.ask("AgentRelease", "on", quarantine=True),
    done=lambda agent: _settled(agent, "new") and _warm(agent),
    before=lambda agent: agent.ask("AgentQuarantine", "off"),
    ready=_quarantined,
)
FORGET = Scenario(
    "garbage collection",
    fault="duplicated",
    begin=Wish("e").of,
    done=lambda agent: (
        _settled(agent, "e") and _warm(agent) and len(agent.objects("AgentRevision")) == len("bcde")
    ),
    history=tuple(map(Wish, "abcd")),
    marks=tuple("abcde"),
    writes="^DELETE ",
)
DELETE = Scenario("delete", fault="lost", begin=_delete, done=_gone, ready=_warm)
SWITCH = Scenario(
    "autonomous switch",
    fault="lost",
    begin=Wish("new", spec=ALONE).of,
    done=lambda agent: _settled(agent, "new"),
    history=(Wish("old", spec=ALONE),),
    alone=True,
)
SUPERSEDE = Scenario(
    "supersede",
    fault="cut",
    begin=Wish("next").of,
    done=lambda agent: _settled(agent, "later"),
    history=(Wish("old"),),
    marks=("old", "next", "later"),
    middle=Wish("later").of,
    until_middle=lambda agent: _settled(agent, "next"),
    kept=("pointer", "status", "requests"),
)
REVOKED = Scenario(
    "cut by revocation",
    fault="reordered",
    begin=_revoke,
    done=lambda agent: agent.status().get("gate") == "Blocked" and _left(agent, "new"),
    ready=_warm,
)
BROKEN = Scenario(
    "break-glass by two",
    fault="delayed",
    begin=lambda agent: _break_glass(agent, "sre-1", "developer-1"),
    done=_let_in,
    history=(Wish("old"),),
    before=Wish("new", spec={"riskTier": "safety"}).of,
    ready=_blocked,
    writes=OF_GLASS,
)
UNRATIFIED = Scenario(
    "break-glass that nobody ratifies",
    fault="cut",
    begin=lambda agent: _break_glass(agent, "sre-1"),
    done=_given_up,
    history=(Wish("old"),),
    before=Wish("new", spec={"riskTier": "medium"} | BAKING).of,
    ready=_blocked,
    writes="/agenttransitions",
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
    REVOKED,
    BROKEN,
    UNRATIFIED,
)
