"""One content with something of everything, and a builder for special ones."""

from collections.abc import Callable
from typing import Any

import pytest

from interlock.api import digests
from interlock.api.kinds import AgentDeploymentSpec
from interlock.render.revision import revision_objects

HEX = "ab" * 32
CONFIG_MAPS = {
    "mes-tools-1f09c2": {"schema.json": '{"type":"object"}'},
    "press-limits-77ab04": {"limits.cedar": "permit(principal, action, resource);", "a.txt": "x"},
}


def config_map(name: str) -> dict[str, str]:
    """A pinned reference to one of CONFIG_MAPS."""
    return {"configMap": name, "digest": f"sha256:{digests.config_map(CONFIG_MAPS[name])}"}


def full() -> dict[str, Any]:
    """A spec that uses every field that renders."""
    tools: list[dict[str, Any]] = [
        {"name": "mes.schedule_order", "effect": "write", "schema": config_map("mes-tools-1f09c2")},
        {"name": "mes.read_schedule", "effect": "read", "schema": config_map("mes-tools-1f09c2")},
        {"name": "clock", "effect": "read"},
    ]
    return {
        "riskTier": "high",
        "image": f"registry.example:5000/agents/press:1.4.2@sha256:{HEX}",
        "model": {
            "name": "press",
            "version": "12",
            "tree": f"sha256:{HEX}",
            "volume": f"registry.example:5000/models/press@sha256:{HEX}",
        },
        "tools": [tool | {"endpoint": "https://mes.line-4.svc:8443"} for tool in tools],
        "policies": [{"name": "limits", **config_map("press-limits-77ab04")}],
        "port": 9000,
        "env": {"ZONE": "4", "LOG_LEVEL": "info", "EMPTY": ""},
        "secrets": [
            {"name": "mes-token", "externalSecret": "press-mes", "as": "env"},
            {"name": "mes-tls", "externalSecret": "press-tls", "as": "file"},
        ],
        "resources": {"cpu": "1500m", "memory": "1024Mi"},
        "network": {
            "egress": [
                {
                    "to": {"namespace": "line-4", "labels": {"app": "mes"}},
                    "port": 8443,
                    "effect": "write",
                    "reason": "orders",
                },
                {"to": {"cidr": "0.0.0.0/0"}, "port": 443, "reason": "weather"},
            ],
            "ingress": [{"from": {"namespace": "line-4"}}],
        },
        "health": {"http": "/healthz"},
        "rollout": {"drain": "45s"},
    }


@pytest.fixture
def spec() -> dict[str, Any]:
    """A full spec, free to be changed."""
    return full()


@pytest.fixture
def render() -> Callable[..., list[dict[str, Any]]]:
    """Renders a spec given as a dict."""

    def _render(
        value: dict[str, Any], config_maps: dict[str, dict[str, str]] = CONFIG_MAPS
    ) -> list[dict[str, Any]]:
        return revision_objects(
            "agent-line-4-press", "press", HEX, AgentDeploymentSpec(**value), config_maps
        )

    return _render


@pytest.fixture
def config_maps() -> dict[str, dict[str, str]]:
    """The data of the ConfigMaps that the full content names."""
    return CONFIG_MAPS
