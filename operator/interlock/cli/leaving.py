"""When the last endpoint of a revision left the agent's Service: what a rollback is for.

The watch starts beside the request, not before it, so that looking delays nothing.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import click

from interlock.api import names
from interlock.cli.ask import Answer, line, milliseconds
from interlock.cli.kubectl import Kubectl, Object

SECONDS = 10
"""How long after the answer the endpoints are waited for; they follow within milliseconds."""
_Seen = tuple[datetime, bool]


@contextmanager
def leaving(
    kubectl: Kubectl, name: str, digest: str
) -> Iterator[Callable[[Answer], Iterator[str]]]:
    """Watch the Service's endpoints; what it gives yields a line about the last one that left.

    No line where the user may not read them.
    """
    home = names.agent_namespace(kubectl.namespace, name)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{home}/endpointslices"
    query = {"labelSelector": f"kubernetes.io/service-name={names.POINTER_SERVICE}"}
    revision = names.revision_name(name, digest)
    seen: queue.Queue[_Seen | None] = queue.Queue()

    def look(events: Iterator[tuple[str, Object]]) -> None:
        slices: dict[str, bool] = {}
        with suppress(click.ClickException):
            for kind, one in events:
                held = kind != "DELETED" and _holds(one, revision)
                slices[one["metadata"]["name"]] = held
                seen.put((datetime.now(UTC), any(slices.values())))
        seen.put(None)

    with kubectl.watch(path, query, 60) as events:
        watcher = threading.Thread(target=look, args=(events,), daemon=True)
        watcher.start()
        yield lambda answer: _told(answer, digest, seen)
    watcher.join(SECONDS)


def _told(answer: Answer, digest: str, seen: "queue.Queue[_Seen | None]") -> Iterator[str]:
    gone: datetime | None = None
    with suppress(queue.Empty):
        while gone is None or not seen.empty():
            one = seen.get(timeout=SECONDS)
            if one is None:
                break
            at, held = one
            # The first time without it counts, unless it came back since.
            gone = None if held else gone or at
    if gone is not None:
        what = f"last endpoint of {digest[:10]} gone from the Service"
        yield line(milliseconds(answer.asked, gone), what)


def _holds(piece: Object, revision: str) -> bool:
    targets = [one.get("targetRef") or {} for one in piece.get("endpoints") or []]
    return any(str(target.get("name", "")).startswith(f"{revision}-") for target in targets)
