"""What happened to pointers and records, seen from outside in the order of the API server.

etcd numbers all changes of a cluster in one row, so events of different watches can be put in the
order in which they happened. The witness also keeps the log: it feeds a follower with what the
watches show, as `interlock follow` does with what its polls show.
"""

import asyncio
import http
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from interlock.api import names
from interlock.audit.chain import Chain
from interlock.audit.follower import Follower
from interlock.audit.records import Keyring
from interlock.audit.verify import verify
from support.apiproxy import MAX_LINE, SOCKETS_CLOSE, abort
from support.kube import OURS, Api

Object = dict[str, Any]
RECORDS = ("AgentRevision", "GateDecision", "AgentTransition")
_WATCHED = {
    "AgentDeployment": f"{OURS}/agentdeployments",
    "Service": f"/api/v1/services?labelSelector={names.LABEL_MANAGED}%3Dtrue",
    "Pod": f"/api/v1/pods?labelSelector={names.LABEL_AGENT}",
} | {kind: f"{OURS}/{kind.lower()}s" for kind in RECORDS}
LATER = 1 << 62
"""A version that no cluster reaches."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One change: when, of what kind, and how the object was after it."""

    version: int
    kind: str
    type: str
    obj: Object


class Witness:
    """Watches from a thread of its own until closed."""

    def __init__(self, api: Api, log: Path, keyring: Keyring) -> None:
        self._api, self._log, self._keyring = api, log, keyring
        self._chain = Chain.open(log)
        self._follower = Follower(self._chain, keyring)
        self._seen: dict[str, list[Sight]] = defaultdict(list)
        self._trouble: list[str] = []
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._opened = threading.Barrier(2)
        self._thread.start()
        self._opened.wait(30)

    def close(self) -> None:
        """Stop watching."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._chain.close()

    def log_problems(self) -> list[str]:
        """What is wrong with the log, and what could not be logged."""
        report = verify(self._log, self._keyring)
        found = [f"line {one.line}: {one.message}" for one in report.problems]
        found += [f"{one.kind} {one.name}: {one.reason}" for one in self._follower.unlogged]
        return found + self._trouble

    def lacks(self, records: list[tuple[str, Object]]) -> list[str]:
        """Which of these records the log does not have."""
        missing = self._follower.missing(records)
        return [f"{one.name} {one.event}: {one.reason}" for one in missing] + self._trouble

    def pointers(self, home: str) -> list[str]:
        """Every value that an agent's pointer ever had, in order."""
        return [to for _, to in _moves(self._of(home))]

    def pointer_problems(self, home: str) -> list[str]:
        """Moves that no record explains, and traffic to what was held at that moment."""
        return list(_pointer_problems(self._of(home)))

    def side_by_side(self, home: str) -> list[set[str]]:
        """Sets of revisions whose pods existed at the same time, larger than one."""
        running: dict[str, str] = {}
        found = []
        for sight in self._of(home):
            if sight.kind != "Pod":
                continue
            name = sight.obj["metadata"]["name"]
            running[name] = sight.obj["metadata"]["labels"][names.LABEL_REVISION]
            if sight.type == "DELETED":
                del running[name]
            if len(set(running.values())) > 1:
                found.append(set(running.values()))
        return found

    def news(self, home: str, known: int, seconds: float) -> int:
        """Wait until more than `known` changes of an agent were seen; return how many were."""
        with self._news:
            self._news.wait_for(lambda: len(self._seen[home]) > known, seconds)
            return len(self._seen[home])

    def _of(self, home: str) -> list[Sight]:
        return sorted(self._seen[home], key=lambda sight: sight.version)

    def _run(self) -> None:
        asyncio.run(self._watch_all())

    async def _watch_all(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connector = aiohttp.TCPConnector(ssl=self._api.context)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, read_bufsize=MAX_LINE
        ) as session:
            tasks = [asyncio.create_task(self._watch(session, kind)) for kind in _WATCHED]
            await asyncio.to_thread(self._opened.wait, 30)
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await connector.close(abort_ssl=True)
            await asyncio.sleep(SOCKETS_CLOSE)

    async def _watch(self, session: aiohttp.ClientSession, kind: str) -> None:
        """Watch from before the first agent on; a kind that is quite new is refused for a while.

        An API server ends a watch that lags; it goes on where it ended.
        """
        path = _WATCHED[kind]
        url = f"https://{self._api.host}{path}{'&' if '?' in path else '?'}watch=true"
        version = ""
        try:
            while True:
                here = f"{url}&resourceVersion={version}" if version else url
                async with session.get(here, headers=self._headers()) as response:
                    if response.status != http.HTTPStatus.OK:
                        if version:
                            raise ValueError(f"HTTP {response.status}")
                        await asyncio.sleep(0.1)
                        continue
                    try:
                        async for line in response.content:
                            version = await self._take(kind, json.loads(line))
                    finally:
                        abort(response)
        except (aiohttp.ClientError, ValueError, KeyError, OSError) as error:
            self._trouble.append(f"the watch on {kind} broke: {error!r}")

    def _headers(self) -> dict[str, str]:
        return dict(self._api.headers) | {"Accept-Encoding": "identity"}

    async def _take(self, kind: str, event: Object) -> str:
        """Keep a change; return its version."""
        obj = event["object"]
        meta = obj["metadata"]
        if kind in RECORDS and event["type"] != "DELETED":
            await self._follower.observe(kind, obj)
        sight = Sight(int(meta["resourceVersion"]), kind, event["type"], obj)
        home = meta["namespace"]
        if kind == "AgentDeployment":
            home = names.agent_namespace(home, meta["name"])
        with self._news:
            self._seen[home].append(sight)
            self._news.notify_all()
        return str(meta["resourceVersion"])


def _moves(sights: list[Sight]) -> Iterator[tuple[Sight, str]]:
    """Yield each new value of the pointer, and when."""
    last = ""
    for sight in sights:
        if sight.kind != "Service" or sight.obj["metadata"]["name"] != names.POINTER_SERVICE:
            continue
        to = str(sight.obj["spec"]["selector"][names.LABEL_REVISION])
        if to != last:
            yield sight, to
        last = to


def _pointer_problems(sights: list[Sight]) -> Iterator[str]:
    created: dict[str, int] = {}
    newest: dict[str, Object] = {}
    ended: dict[str, int] = {}
    behaviours: dict[str, str] = {}
    for sight in sights:
        name = sight.obj["metadata"]["name"]
        if sight.kind == "AgentRevision":
            behaviours[name] = sight.obj["spec"]["behaviour"]
        if sight.kind == "AgentTransition":
            created.setdefault(name, sight.version)
            newest[name] = sight.obj
            if (sight.obj.get("status") or {}).get("end"):
                ended.setdefault(name, sight.version)
    before = names.NO_REVISION
    for move, to in _moves(sights):
        known = [one for one, version in created.items() if version < move.version]
        open_ = [newest[one]["spec"] for one in known if ended.get(one, LATER) > move.version]
        if to != before and not any(_explains(spec, before, to) for spec in open_):
            yield f"no open record explains the move from {before} to {to}"
        if behaviours.get(to) in _held([newest[one] for one in known]):
            yield f"traffic moved to {to}, which was held"
        before = to


def _explains(spec: Object, before: str, to: str) -> bool:
    origin, goal = spec.get("from", ""), spec.get("to", "")
    undone = spec["type"] == "Promotion" and (before, to) == (goal, origin)
    return undone or (to in (goal, names.NO_REVISION) and before in (origin, names.NO_REVISION))


def _held(records: list[Object]) -> set[str]:
    """Return the behaviours that were held, the newest record of each deciding."""
    held = set()
    for one in sorted(records, key=lambda obj: obj["spec"]["number"]):
        spec = one["spec"]
        outcome = ((one.get("status") or {}).get("end") or {}).get("outcome")
        if outcome == "Abandoned" or not spec.get("behaviour"):
            continue
        if spec.get("cause"):
            held.add(spec["behaviour"])
        elif spec["type"] == "Release":
            held.discard(spec["behaviour"])
    return held
