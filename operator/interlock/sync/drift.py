"""What runs beside what git says: put back where we deliver, told where somebody else does.

Server-side apply puts back what a file names. What it does not name and somebody added by hand
stays, and may be content: another environment variable, another secret. So content is compared as
a whole. `paused`, `replicas` and `warm` are no content, and a file that is silent about them leaves
them to people.
"""

import logging
from collections.abc import Iterable

from pydantic import ValidationError

from interlock.api import digests
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.api.kinds.repository import RefusedFile
from interlock.api.reasons import Reason
from interlock.cluster.client import Client, Object
from interlock.sync.documents import Document
from interlock.sync.report import Outcome

_OPERATIONAL = ("paused", "replicas", "warm")
_log = logging.getLogger(__name__)


async def repair(client: Client, declared: Object, found: Object) -> None:
    """Put the content of an AgentDeployment back to what its file says. Raises ClusterError."""
    if declared["kind"] != "AgentDeployment" or _content(declared) == _content(found):
        return
    meta, now = found["metadata"], found["spec"]
    by_hand = {key: now[key] for key in _OPERATIONAL if key in now}
    _log.warning("%s/%s: content that git does not say is removed", meta["namespace"], meta["name"])
    same = {"op": "test", "path": "/metadata/generation", "value": meta["generation"]}
    put = {"op": "replace", "path": "/spec", "value": by_hand | declared["spec"]}
    await client.json_patch("AgentDeployment", meta["namespace"], meta["name"], [same, put])


def compared(
    declared: Iterable[Document], running: Iterable[Object], refused: list[RefusedFile]
) -> Outcome:
    """Return how many agents run as their files say; the others are named among `refused`."""
    there = {one["metadata"]["name"]: one for one in running}
    agents = [one for one in declared if one.key[0] == "AgentDeployment"]
    bad, others = len(refused), [one for one in agents if not _same(one.object, there)]
    for one in others:
        said = "says something else" if one.key[1] in there else "is not there"
        message = (
            f"AgentDeployment {one.key[1]} in the cluster {said}; who delivers has not followed "
            "to this commit, or somebody changed it by hand"
        )
        refused.append(RefusedFile(path=one.path, message=message))
    good = len(agents) - len(others)
    if not refused:
        return Outcome(Reason.SYNCED, "-", applied=good)
    reason = Reason.FILE_REFUSED if bad else Reason.DRIFT
    return Outcome(reason, f"{refused[0].path}: {refused[0].message}", applied=good)


def _same(declared: Object, there: dict[str, Object]) -> bool:
    found = there.get(declared["metadata"]["name"])
    return found is not None and _content(declared) == _content(found)


def _content(agent: Object) -> str:
    """Return the content digest of an agent; nothing for a spec that we cannot read."""
    meta = agent["metadata"]
    try:
        spec = AgentDeploymentSpec.model_validate(agent.get("spec")).dump()
    except ValidationError:
        return ""
    return digests.content(meta["namespace"], meta["name"], spec)
