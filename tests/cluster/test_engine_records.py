"""Records that Interlock did not sign are no records, wherever and however they come (I8).

The API server refuses them to everyone but the controller's account, so they are made here with
that account's own token, as somebody would who stole it.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.api import names
from interlock.audit.records import Signer
from support.engine import Agent, Pair, until
from support.kube import Api


def _forge(pair: Pair, **changes: Any) -> dict[str, Any]:
    spec = pair.agent.transitions()[-1]["spec"]
    spec = {key: value for key, value in spec.items() if key not in ("signature", "keyId")}
    return spec | {"number": 3} | changes


def _create(agent: Agent, controller: Api, kind: str, name: str, spec: Mapping[str, Any]) -> None:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": agent.home,
            "labels": {names.LABEL_AGENT: agent.name},
        },
        "spec": dict(spec),
    }
    answer = controller.post(agent.place(kind), body)
    assert answer.ok, answer.message


def _unsigned(pair: Pair, stranger: Pair) -> dict[str, Any]:
    return _forge(pair) | {"keyId": "", "signature": ""}


def _signed_by_a_stranger(pair: Pair, stranger: Pair) -> dict[str, Any]:
    return Signer(Ed25519PrivateKey.generate()).sign("AgentTransition", _forge(pair))


def _changed_after_signing(pair: Pair, stranger: Pair) -> dict[str, Any]:
    old = pair.agent.transitions()[-1]["spec"]
    return old | {"number": 3, "to": pair.agent.revision(pair.old)}


def _copied_from_another_agent(pair: Pair, stranger: Pair) -> dict[str, Any]:
    return dict(stranger.agent.transitions()[-1]["spec"])


@pytest.mark.parametrize(
    "forgery",
    [_unsigned, _signed_by_a_stranger, _changed_after_signing, _copied_from_another_agent],
)
def test_a_forged_transition_is_ignored_and_shown(
    pair: Pair, ready_pairs: list[Pair], controller: Api, forgery: Any
) -> None:
    agent = pair.agent
    _create(agent, controller, "AgentTransition", "one-3", forgery(pair, ready_pairs[0]))

    until(agent.reason, lambda reason: reason == "BadRecord", "BadRecord is shown")
    assert "one-3" in agent.status()["reason"]
    assert agent.pointer() == agent.revision(pair.new)
    # It takes the number, but not the way back.
    assert agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)
    assert agent.transitions()[-1]["metadata"]["name"] == "one-4"


def test_a_forged_decision_promotes_nothing_and_is_shown(pair: Pair, controller: Api) -> None:
    agent = pair.agent
    agent.engine.verifier.unresolved[agent.team] = {
        "reason": "SourceUnavailable",
        "message": "the registry is away",
    }
    agent.want("c")
    agent.until("cannot be judged", lambda s: "registry is away" in s["reason"])
    candidate = agent.status()["candidate"]
    decision = agent.decisions()[-1]["spec"]
    forged = decision | {"revision": agent.revision(candidate), "number": 1, "verdict": "Allowed"}
    name = names.decision_name(agent.revision(candidate), 1)
    _create(agent, controller, "GateDecision", name, forged)

    until(agent.reason, lambda reason: reason == "BadRecord", "BadRecord is shown")
    assert agent.pointer() == agent.revision(pair.new)
    assert agent.replicas(candidate) == -1


def test_an_end_that_we_did_not_sign_is_none(pair: Pair, controller: Api) -> None:
    agent = pair.agent
    signed = agent.transitions()[-1]
    end = signed["status"]["end"]
    spec = Signer(Ed25519PrivateKey.generate()).sign("AgentTransition", _forge(pair))
    _create(agent, controller, "AgentTransition", "one-3", spec)
    path = agent.place("AgentTransition", "one-3") + "/status"
    assert controller.patch(path, {"status": {"end": end}}).ok
    until(agent.reason, lambda reason: reason == "BadRecord", "BadRecord is shown")
    assert agent.pointer() == agent.revision(pair.new)
