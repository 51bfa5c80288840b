"""A policy with rules of its own."""

from typing import Any

import yaml

from interlock.policy.model import Policy
from interlock.policy.parse import parse
from support import policies

NAMES = {
    "name": "no-writes",
    "message": "the agent may write at this tier",
    "unblock": "remove its tools that write",
}


def rule(expression: str, **changes: str) -> dict[str, Any]:
    """A rule over an expression; `changes` replace its other fields."""
    return {**NAMES, "expression": expression, **changes}


def targets(*rules: dict[str, Any], asked: bool = True) -> dict[str, bytes]:
    """The target files of the good policy with these rules, which the tier high asks for."""
    tiers = policies.documents()["tiers"]
    if asked:
        tiers["tiers"]["high"]["gates"] = [*policies.GATES, "rules"]
    return policies.targets(tiers=tiers) | {
        "rules.yaml": yaml.safe_dump({"rules": list(rules)}).encode()
    }


def ruled(*rules: dict[str, Any], asked: bool = True) -> Policy:
    """The good policy with these rules."""
    return parse(targets(*rules, asked=asked), 1)
