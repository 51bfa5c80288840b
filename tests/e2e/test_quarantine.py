"""A quarantine on real containers: nobody reaches them, they end, and what they said is kept."""

import base64
from collections.abc import Mapping
from typing import Any

from interlock.api import names
from support.container import SLOW, Live
from support.engine import until
from support.load import load


def evidence(live: Live) -> Mapping[str, str]:
    """What was kept, by name of the part."""
    found: dict[str, Any] = {}
    for one in live.agent.objects("ConfigMap"):
        if one["metadata"]["name"].startswith("evidence-"):
            found |= one.get("binaryData") or {}
    return {part: base64.b64decode(data).decode() for part, data in found.items()}


def test_a_quarantine_ends_traffic_and_pods_and_keeps_what_they_said(live: Live) -> None:
    serving = live.serves("1.0.0")
    live.tell(serving, "slow=1ms")  # a line in its log that no other agent has
    with load(*live.address(), rate=20) as met:
        until(lambda: met.open_to(serving), lambda n: n == 8, "connections are open", SLOW)
        answer = live.agent.answer(live.agent.ask("AgentQuarantine", "stop"))
        until(lambda: met.open_to(serving), lambda n: n == 0, "what was open is closed", SLOW)
        until(lambda: len(met.lost), lambda n: n > 40, "nobody answers", SLOW)
    assert answer["phase"] == "Committed"
    assert live.agent.pointer() == names.NO_REVISION
    until(lambda: live.agent.objects("Pod"), lambda pods: pods == [], "no pod is left", SLOW)
    assert live.agent.admitted() == {}
    log = next(text for part, text in evidence(live).items() if part.endswith(".agent.log"))
    assert '"fault":"slow=1ms"' in log
    policies = {one["metadata"]["name"] for one in live.agent.objects("NetworkPolicy")}
    assert "default-deny" in policies


def test_a_restored_agent_serves_again_after_its_gates(live: Live) -> None:
    serving = live.serves("1.0.0")
    live.agent.answer(live.agent.ask("AgentQuarantine", "stop"))
    until(lambda: live.agent.objects("Pod"), lambda pods: pods == [], "no pod is left", SLOW)
    live.agent.answer(live.agent.ask("AgentRelease", "restore", quarantine=True))
    assert live.agent.healthy("-", SLOW) == serving.rpartition("-")[2]
    with load(*live.address(), rate=20) as met:
        until(lambda: met.answered_by(serving), lambda n: n > 20, "it answers again", SLOW)
    assert live.agent.types() == [
        "Promotion Committed",
        "Quarantine Committed",
        "Restore Committed",
        "Promotion Committed",
    ]
