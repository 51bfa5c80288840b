"""Events: the noise that makes people look, with `kubectl describe` and `kubectl events`.

Records and statuses are the truth; an Event only tells of them. Its name follows from what it
tells, so that no restart tells a thing twice, and no failure to tell stands in anything's way.
"""

import logging
from datetime import datetime
from typing import NamedTuple

from interlock.api import names
from interlock.cluster.client import Client, ClusterError, Conflict, Object

LONGEST = 1024
"""Characters of a message; the API server takes no more."""
log = logging.getLogger(__name__)


class About(NamedTuple):
    """The object of ours that an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str


class News(NamedTuple):
    """What is told."""

    type: str
    """`Normal` or `Warning`."""
    reason: str
    message: str


async def tell(  # noqa: PLR0917 - one field each
    client: Client, name: str, about: About, news: News, at: datetime, component: str
) -> bool:
    """Create an Event; whether it is there now. What keeps it from being created is logged."""
    moment = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    body: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about.namespace},
        "involvedObject": {"apiVersion": names.API_VERSION, **about._asdict()},
        "type": news.type,
        "reason": news.reason,
        "message": news.message[:LONGEST],
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "source": {"component": component},
    }
    try:
        await client.create(body)
    except Conflict:
        pass
    except ClusterError as error:
        log.warning("no Event could be created for %s: %s", name, error)
        return False
    return True
