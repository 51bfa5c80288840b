"""What governance says: strict models of its targets and pure questions to them."""

from interlock.policy.model import Policy

__all__ = ["Policy"]
