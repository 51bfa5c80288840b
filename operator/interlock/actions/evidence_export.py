"""Keeps what the pods of a revision say of themselves, before a cut or a quarantine deletes them.

It must never be the reason why bad traffic goes on: it has one second, takes a place only if one
is free, and ends with a line in the log whatever happens to it.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from interlock.actions.ports import TrafficPorts
from interlock.api import names
from interlock.cluster.cache import Key
from interlock.cluster.client import ClusterError, Conflict

Object = dict[str, Any]
log = logging.getLogger(__name__)

PREFIX = "evidence-"
WITHIN = 1.0
"""Seconds for all of it."""
READ_WITHIN = 0.7
"""Seconds of these for reading logs; what is not there by then is left out."""
PLACES = 8
"""Exports at a time in this process."""
MOST_PODS = 8
MOST_CONTAINERS = 4
LOG_BYTES = 64 * 1024
LOG_LINES = 400
"""Lines that a node sends, of at most 16 KiB each; of them the last `LOG_BYTES` are kept."""
POD_BYTES = 64 * 1024
MOST_EVENTS = 200
EVENT_BYTES = 64 * 1024
MAP_BYTES = 900 * 1024
"""Bytes of one ConfigMap; the API server takes 1 MiB."""

Part = tuple[str, bytes]
_places = asyncio.Semaphore(PLACES)


async def export(key: Key, ports: TrafficPorts, revisions: Sequence[str], transition: str) -> int:
    """Write descriptions and log tails of revisions' pods; return how many ConfigMaps were made.

    Writes    immutable ConfigMaps `evidence-<transition>-<n>` in the agent's own namespace.
    Repeat    at any point: where the first of them exists, nothing is done.
    Errors    are logged, never raised.
    """
    if _places.locked():
        _tell(key, transition, "8 exports are under way; this one is left out")
        return 0
    async with _places:
        try:
            async with asyncio.timeout(WITHIN):
                return await _export(key, ports, revisions, transition)
        except TimeoutError:
            _tell(key, transition, f"it took more than {WITHIN} s")
        except Exception as error:  # evidence never stands in the way of a cut
            _tell(key, transition, f"{type(error).__name__}: {error}")
    return 0


async def _export(key: Key, ports: TrafficPorts, revisions: Sequence[str], transition: str) -> int:
    pods = _pods_of(ports, key, revisions)[:MOST_PODS]
    if not pods or await ports.client.get("ConfigMap", key.home, f"{PREFIX}{transition}-1"):
        return 0
    parts = [_description(pod) for pod in pods] + await _read(ports, key, pods)
    made = 0
    for number, share in enumerate(_shares(parts), start=1):
        try:
            await ports.client.create(_config_map(key, f"{PREFIX}{transition}-{number}", share))
        except Conflict:
            continue
        made += 1
    return made


def _pods_of(ports: TrafficPorts, key: Key, revisions: Sequence[str]) -> list[Object]:
    """Return the revisions' pods, those that restarted most first: they have most to tell."""
    found = [
        pod
        for pod in ports.cache.of("Pod", key.home).values()
        if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION) in revisions
    ]
    return sorted(found, key=lambda pod: (-_restarts(pod), pod["metadata"]["name"]))


def _restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return sum(int(one.get("restartCount") or 0) for one in statuses)


def _description(pod: Object) -> Part:
    """A pod names the secrets that its variables come from, and holds no value of theirs."""
    meta = {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
    text = json.dumps(pod | {"metadata": meta}, sort_keys=True)
    return f"{meta['name']}.pod.json", text.encode()[:POD_BYTES]


async def _read(ports: TrafficPorts, key: Key, pods: list[Object]) -> list[Part]:
    """Return log tails and events, as far as they come in time."""
    asked = [asyncio.create_task(_events(ports, key))]
    asked += [
        asyncio.create_task(_log(ports, key, pod["metadata"]["name"], container, previous))
        for pod in pods
        for container in _containers(pod)
        for previous in (False, True)
    ]
    try:
        done, _ = await asyncio.wait(asked, timeout=READ_WITHIN)
    finally:
        for task in asked:
            task.cancel()
    found = [task.result() for task in asked if task in done and not task.exception()]
    return [part for part in found if part[1]]


def _containers(pod: Object) -> list[str]:
    return [str(one["name"]) for one in pod["spec"].get("containers") or []][:MOST_CONTAINERS]


async def _log(ports: TrafficPorts, key: Key, pod: str, container: str, previous: bool) -> Part:
    """Return the bytes as they are: control characters are data, and base64 in the ConfigMap."""
    query = {"container": container, "tailLines": str(LOG_LINES), "timestamps": "true"}
    query |= {"previous": "true"} if previous else {}
    name = f"{pod}.{container}{'.previous' if previous else ''}.log"
    try:
        return name, await ports.client.tail(key.home, pod, query, LOG_BYTES)
    except ClusterError as error:  # most containers have no previous one
        return name, b"" if previous else f"there is no log: {error}"[:1024].encode()


async def _events(ports: TrafficPorts, key: Key) -> Part:
    fields = "involvedObject.kind=Pod"
    found = await ports.client.page("Event", key.home, most=MOST_EVENTS, fields=fields)
    wanted = ("involvedObject", "reason", "message", "type", "count", "lastTimestamp", "eventTime")
    lines = [json.dumps({field: one.get(field) for field in wanted}) for one in found]
    return "events.jsonl", "\n".join(lines).encode()[-EVENT_BYTES:]


def _shares(parts: list[Part]) -> Iterator[list[Part]]:
    """Yield parts in groups that fit into a ConfigMap each."""
    share: list[Part] = []
    size = 0
    for part in parts:
        if share and size + len(part[1]) > MAP_BYTES:
            yield share
            share, size = [], 0
        share.append(part)
        size += len(part[1])
    yield share


def _config_map(key: Key, name: str, parts: list[Part]) -> Object:
    labels = {names.LABEL_MANAGED: "true", names.LABEL_AGENT: key.name}
    data = {part: base64.b64encode(value).decode() for part, value in parts}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": key.home, "labels": labels},
        "immutable": True,
        "binaryData": data,
    }


def _tell(key: Key, transition: str, why: str) -> None:
    extra = {"agent": f"{key.namespace}/{key.name}", "transition": transition}
    log.warning("no evidence was kept of %s: %s", transition, why, extra=extra)
