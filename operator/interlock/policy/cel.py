"""Compiles and evaluates CEL over facts, so that only a plain true is ever taken for a yes.

An expression is compiled twice. The first time every field has its type: a name that does not
exist, or text compared with a number, is found when the rule is signed and not when it is needed.
The second time the facts are plain JSON, in which what is absent is an error; typed messages would
give it a default, and `change.unsigned == 0` would be true of a change that nobody found.

CEL has no loops and no recursion of its own. The engine stops an evaluation after 10,000 steps of
its macros, and matches regular expressions in linear time (RE2).
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from interlock.policy import factschema

_FACTS = "facts"
_MAX_SAID = 300


class CelError(ValueError):
    """An expression that is none, or that has no answer for these facts. Says why."""


def check(expression: str) -> None:
    """Raise CelError unless this is an expression over facts that gives true or false."""
    try:
        kind = _typed().compile(expression).return_type()
        _compiled(expression)
    except RuntimeError as error:
        raise CelError(_first_line(str(error))) from None
    if kind != cel.Type.BOOL:
        raise CelError(f"it gives {kind.name()}, and must give BOOL")


def about(facts: Mapping[str, Any]) -> cel.Activation:
    """Return facts in the form in which expressions are asked about them, made once for all."""
    return _plain().Activation({_FACTS: facts})


def holds(expression: str, facts: cel.Activation) -> bool:
    """Return what an expression says of facts. Raises CelError where it says neither."""
    try:
        said = _compiled(expression).eval(facts)
    except RuntimeError as error:
        raise CelError(_first_line(str(error))) from None
    value = said.plain_value()
    if said.type() != cel.Type.BOOL or not isinstance(value, bool):
        # An error comes back as a text, and a text that is not empty is true in Python.
        raise CelError(_first_line(str(value)))
    return value


@cache
def _typed() -> cel.Env:
    return cel.NewEnv(factschema.pool(), variables={_FACTS: cel.Type(factschema.ROOT)})


@cache
def _plain() -> cel.Env:
    return cel.NewEnv(variables={_FACTS: cel.Type.DYN})


@lru_cache(maxsize=256)
def _compiled(expression: str) -> cel.Expression:
    return _plain().compile(expression)


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:_MAX_SAID]
