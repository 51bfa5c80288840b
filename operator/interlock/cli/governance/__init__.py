"""`interlock governance`: what security types to say who and what may run, and to take it back."""

from interlock.cli.governance.commands import example_targets, governance

__all__ = ["example_targets", "governance"]
