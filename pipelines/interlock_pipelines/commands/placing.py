"""How a claim ends: signed and in its place, or only shown.

Who signs and where it goes is asked for before a long piece of work begins, so that what is missing
is said at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

from interlock_pipelines import claim
from interlock_pipelines.claim import Claim, Recorded
from interlock_pipelines.commands import answer, options

Put = Callable[[Claim], Recorded]
"""Signs a claim and puts it in its place."""


def beside_image(given: Mapping[str, Any], reference: str) -> Put | None:
    """Return what puts a claim beside its image; None for --dry-run. Raises PipelineError."""
    if given["dry_run"]:
        return None
    signer, access = options.signer_of(given), options.access_of(given)
    return lambda made: claim.beside_image(reference, made, access=access, signer=signer)


def beside_model(given: Mapping[str, Any], kind: str) -> Put | None:
    """Return what puts a claim beside its version in MLflow; None for --dry-run.

    `kind` is how its file's name begins. Raises PipelineError.
    """
    if given["dry_run"]:
        return None
    mlflow, signer = options.mlflow_of(given), options.signer_of(given)
    name, version = given["name"], given["model_version"]
    return lambda made: claim.beside_model(name, version, kind, made, mlflow=mlflow, signer=signer)


def settle(given: Mapping[str, Any], what: str, made: Claim, put: Put | None) -> None:
    """Put a claim in its place and print that, or only print it; `what` is its key in the JSON.

    Raises PipelineError.
    """
    if put is None:
        answer.would_sign(made)
    else:
        answer.recorded(given["output"], what, put(made))
