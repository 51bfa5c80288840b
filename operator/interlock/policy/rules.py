"""Rules that security writes itself, in CEL: what no gate of ours asks, and this company does.

The engine that compiles and evaluates them is in `cel.py`; here is only what the target holds.
"""

from typing import Annotated

from pydantic import Field

from interlock.api.kinds.base import Model, Name

MAX_RULES = 64
MAX_EXPRESSION = 4096

Sentence = Annotated[str, Field(min_length=1, max_length=512)]


class CelRule(Model):
    """One thing that must be true of a change."""

    name: Name
    expression: Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]
    """CEL over `facts`, true where the change may pass."""
    message: Sentence
    """What is wrong where it is false."""
    unblock: Sentence
    """What to do then."""


class Rules(Model):
    """`rules.yaml`."""

    listed: Annotated[list[CelRule], Field(max_length=MAX_RULES, alias="rules")] = []
