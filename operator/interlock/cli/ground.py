"""What a verdict and an approval stand on: the policy in force, and what serves now.

Both are read with the code of the verifier and of the controller, so that a laptop and the
cluster cannot disagree about how.
"""

import asyncio
import re
from typing import NamedTuple

from interlock.actions.parse import Parser
from interlock.api import names
from interlock.api.config import Config
from interlock.api.facts import Unresolved
from interlock.api.observed import Observed
from interlock.audit.records import Keyring
from interlock.cli.exits import BadInput, Failed
from interlock.cli.kubectl import Kubectl, collection
from interlock.cluster.cache import Cache, Key
from interlock.decide import view
from interlock.policy import Policy
from interlock.policy.parse import PolicyError, parse
from interlock.verifier.governance import Governance

SERVING = (
    "What serves: none, or a content digest (64 hex digits). Where it is not given, kubectl is "
    "asked."
)
_RECORDS = {
    "AgentRevision": "agentrevisions",
    "GateDecision": "gatedecisions",
    "AgentTransition": "agenttransitions",
}
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Rules(NamedTuple):
    """Governance as it was verified just now."""

    policy: Policy
    targets: dict[str, str]


class Running(NamedTuple):
    """An agent's records as the cluster shows them."""

    cache: Cache
    seen: Observed


def rules(config: Config) -> Rules:
    """Fetch and verify governance. Raises Failed with a sentence."""
    answer = asyncio.run(Governance(config).answer(b"{}"))
    if isinstance(answer, Unresolved):
        raise Failed(answer.message)
    targets = {name: text.encode() for name, text in answer.targets.items()}
    try:
        policy = parse(targets, answer.versions["revocations"])
    except PolicyError as error:
        raise Failed(f"governance was refused: {error}") from None
    return Rules(policy, answer.targets)


def running(kubectl: Kubectl, key: Key) -> Running:
    """Read an agent's records. Raises BadInput where the cluster cannot be read."""
    cache = Cache()
    try:
        for kind, plural in _RECORDS.items():
            for item in kubectl.items(collection(plural, key.home)):
                cache.merge(item | {"kind": kind})
    except (Failed, BadInput) as error:
        raise BadInput(
            f"what serves cannot be read ({error.message}). Give --serving none or a digest."
        ) from None
    return Running(cache, observed(cache, key))


def serving(text: str) -> str:
    """Return a content digest from `--serving`, empty for none. Raises BadInput."""
    digest = text.removeprefix("sha256:")
    if digest == names.NO_REVISION:
        return ""
    if not _DIGEST.fullmatch(digest):
        raise BadInput(f"--serving {text!r}: expected none, or a digest of 64 hex digits")
    return digest


def observed(cache: Cache, key: Key) -> Observed:
    """Return an agent as its records show it: enough to say what serves, held and spent."""
    parser = Parser(_AsStored(()))
    revisions = {n: parser.revision(o) for n, o in cache.of("AgentRevision", key.home).items()}
    transitions = [parser.transition(o) for o in cache.of("AgentTransition", key.home).values()]
    seen = Observed(
        wanted=None,
        revisions={name: one for name, one in revisions.items() if one},
        transitions=tuple(sorted((t for t in transitions if t), key=lambda one: one.number)),
    )
    # The Service is not everybody's to read; where it points, its last record says.
    move = view.last_move(seen)
    return Observed(
        wanted=None,
        pointer=move.to if move else names.NO_REVISION,
        revisions=seen.revisions,
        transitions=seen.transitions,
    )


class _AsStored(Keyring):
    """Takes records as the API server shows them: only the controller may write them there.

    A laptop has no record key. What is read here is a forecast; the controller checks signatures.
    """

    def valid(self, kind: str, spec: object) -> bool:
        return True

    def valid_end(self, record: str, end: object) -> bool:
        return True

    def valid_healthy(self, record: str, healthy: object) -> bool:
        return True
