"""What the gate `model-content` will say of a model, from the same code, before it is published.

Interlock looks into the files itself, so no statement of this is needed; signed, it tells others
what was found, and when.
"""

from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.api import names
from interlock.api.content import Content
from interlock.api.facts import Context, Facts, Subject
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.evidence import formats
from interlock.evidence.http import shown
from interlock.evidence.predicates.base import rfc3339
from interlock.gates import model_content
from interlock.policy import Policy, strict_yaml
from interlock.policy.exceptions import Exceptions
from interlock.policy.freezes import Freezes
from interlock.policy.model import Gates, Namespaces, People, Tiers, Trust
from interlock.policy.revocations import Revocations
from interlock.policy.settings import complaints
from interlock_pipelines.errors import BadInput
from interlock_pipelines.tree import Tree

MODEL_SCAN = "https://interlock.dev/attestation/model-scan/v1"
MAX_GATES_BYTES = 256 * 1024
_NONE = "0" * 64


def inspect(tree: Tree) -> Content:
    """Return what the files of a model are. Raises BadInput if one changes meanwhile."""
    found = []
    for file in tree.files:
        inspector = formats.inspect(file.path)
        for chunk in tree.chunks(file):
            inspector.feed(chunk)
        found.append(inspector.close())
    return formats.content(found)


def read_gates(path: Path | None) -> Gates:
    """Return governance's `gates.yaml`, or what holds where it says nothing. Raises BadInput."""
    if path is None:
        return Gates()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_GATES_BYTES + 1)
        return Gates.model_validate(strict_yaml.load(data, limit=MAX_GATES_BYTES))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise BadInput(f"{path} is no gates.yaml: {complaints(error)}.") from None
    except ValueError as error:
        raise BadInput(f"{path} is no gates.yaml: {shown(str(error), 200)}.") from None


def judge(tree: Tree, content: Content, gates: Gates, now: datetime) -> GateResult:
    """Return the gate's own answer on a model with this content."""
    spec = {"model": {"name": tree.folder.resolve().name, "tree": tree.digest}}
    said = Facts(
        now=rfc3339(now),
        purpose=Purpose.PROMOTION,
        subject=Subject(namespace="", name="", spec=spec, digest=_NONE, behaviour=_NONE),
        content=content,
        context=Context(cluster="", environment="", tier="", serving=names.NO_REVISION),
    )
    return model_content.evaluate(said, _policy(gates))


def predicate(content: Content, result: GateResult, now: datetime) -> dict[str, Any]:
    """Return the model-scan/v1 predicate."""
    return {
        "inspector": {"uri": f"pkg:pypi/interlock@{version('interlock')}"},
        "result": "PASSED" if result.outcome is Outcome.PASS else "FAILED",
        "content": content.model_dump(mode="json", by_alias=True),
        "finishedOn": rfc3339(now),
    }


def _policy(gates: Gates) -> Policy:
    """Return a policy of which the gate reads `gates` alone: no namespace, so no tier's own."""
    return Policy(
        namespaces=Namespaces(),
        people=People(),
        trust=Trust(),
        tiers=Tiers(),
        gates=gates,
        freezes=Freezes(),
        exceptions=Exceptions(),
        revocations=Revocations(),
        trusted_root=b"",
        digest=_NONE,
        root_digest=_NONE,
        revocation_version=0,
    )
