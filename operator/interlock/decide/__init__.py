"""The state machine: from what is observed to the one next step. Pure, total, deterministic."""

from interlock.decide.rules import RULES, decide

__all__ = ["RULES", "decide"]
