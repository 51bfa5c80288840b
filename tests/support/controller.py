"""What a controller needs around it in a test: a policy, a record key, and a verifier's answers.

The verifier is another process in production; here it is a small server on the same socket that
answers from values, so that engine tests need neither MLflow nor Sigstore.
"""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from interlock.api.config import Config
from interlock.api.digests import ModelFile
from interlock.verifier.jobs import Jobs
from support import deeds, policies

TEAMS = tuple(f"team-{number:03}" for number in range(400))
"""Namespaces that the quick policy grants images to."""
CASES = tuple(f"case-{number:03}" for number in range(800))
"""Namespaces of crash tests: one agent each."""
QUICK_TIER = {"gates": [], "minimumBake": "1s", "readyWithin": "3s"}

PEOPLE = {"gates": ["change-approval"], "quorum": [{"role": "quality"}]} | {
    key: value for key, value in QUICK_TIER.items() if key != "gates"
}
"""A tier whose contents somebody has to approve, or to let in by break-glass."""

QUICK_SIGNALS = {"initialDelay": "1s", "interval": "1s", "timeout": "2s", "successes": 1}
QUICK_BREAKERS = {"coolDown": "1s", "promotions": 1000, "fleetAgents": 1000}
"""The agents of all tests share a controller: what one test does must not stop another's."""


def image(repository: str, mark: str) -> str:
    """An image reference; kwok tells by the repository how its pods behave."""
    digest = hashlib.sha256(mark.encode()).hexdigest()
    return f"registry.example/lab/{repository}@sha256:{digest}"


def quick_targets(ratify_within: str = "6s", **changes: Any) -> dict[str, bytes]:
    """Targets with times that suit a test. Of the tiers that need people, `medium` gives them
    little time to ratify what one person let in, `high` an hour; `safety` always takes two."""
    documents = policies.documents()
    tiers, spaces = documents["tiers"], documents["namespaces"]
    tiers["tiers"]["low"] = QUICK_TIER
    for tier, within in (("medium", ratify_within), ("high", "1h"), ("safety", None)):
        terms = {"allowed": True, "ratifyWithin": within}
        tiers["tiers"][tier] = PEOPLE | {"breakGlass": terms}
    people = documents["people"]
    for person in people["people"]:
        person["users"] = [policies.email(person["id"])]
    grant = spaces["namespaces"]["lab"]
    grant["grants"]["tools"] = ["https://mes.lab.svc:8443"]
    spaces["namespaces"] |= dict.fromkeys(TEAMS, grant)
    gates = {"recheck": "1s", "signals": QUICK_SIGNALS, "breakers": QUICK_BREAKERS}
    quick = {"tiers": tiers, "gates": gates, "namespaces": spaces, "people": people}
    return policies.targets(**(quick | changes))


@dataclass
class Verifier:
    """Answers findings and governance on a Unix socket, from a thread of its own."""

    socket: Path
    targets: dict[str, bytes] = field(default_factory=quick_targets)
    revocation_version: int = 1
    delays: dict[str, float] = field(default_factory=dict)
    """Team to seconds that the answer about its agents takes."""
    unresolved: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Team to the {reason, message} that is answered instead of findings."""
    deeds: dict[str, str] = field(default_factory=dict)
    """Name of an agent to what a real, walled job does that is to look at it (`support.deeds`)."""
    more: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Team to what is found beside true pins, such as approvals and the change."""
    files: dict[str, list[ModelFile]] = field(default_factory=dict)
    """Team to the files of its models, which are named where init containers copy them."""
    asked: list[str] = field(default_factory=list)
    """Teams that were asked about."""
    handed: dict[int, float] = field(default_factory=dict)
    """Version of the revocation list to the moment (`time.perf_counter`) it was first given."""

    @contextmanager
    def serving(self) -> Iterator["Verifier"]:
        """Listen for the duration of the block."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        self._loop = loop
        try:
            self._open()
            yield self
            self._close()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be dead for the duration of the block: nobody listens, and there is no socket."""
        self._close()
        try:
            yield
        finally:
            self._open()

    def revoke(self, digest: str, reason: str) -> None:
        """Put a digest on the revocation list, as a new version of it."""
        known = yaml.safe_load(self.targets["revocations.yaml"])
        known["digests"].append({"digest": digest, "reason": reason})
        self.targets["revocations.yaml"] = yaml.safe_dump(known).encode()
        self.revocation_version += 1

    def _open(self) -> None:
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def _close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self.socket.unlink(missing_ok=True)

    @property
    def rooms(self) -> Path:
        """Where each job that does a deed has a folder while it runs."""
        return self.socket.parent / "jobs" / "rooms"

    async def _start(self) -> web.AppRunner:
        self._jobs = Jobs(self.rooms.parent, deeds.MODULE)
        app = web.Application()
        app.router.add_post("/v1/findings", self._findings)
        app.router.add_post("/v1/governance", self._governance)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(self.socket)).start()
        return runner

    async def _end(self) -> None:
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:  # answers that are still being delayed
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._jobs.close()

    async def _findings(self, request: web.Request) -> web.Response:
        body = await request.json()
        team = body["namespace"]
        self.asked.append(team)
        await asyncio.sleep(self.delays.get(team, 0.0))
        if deed := self.deeds.get(body["name"]):
            told = json.dumps({"name": deed, "signal": "SIGSEGV"}).encode()
            said = await self._jobs.findings(team, body["name"], told)
            return web.Response(status=422, body=said.body)
        if answer := self.unresolved.get(team):
            return web.json_response(answer, status=422)
        pins, files = [*_true_pins(body["spec"])], self.files.get(team, [])
        more = self.more.get(team, {})
        return web.json_response({"pins": pins, "files": files} | more)

    async def _governance(self, _: web.Request) -> web.Response:
        self.handed.setdefault(self.revocation_version, time.perf_counter())
        expires = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=2)
        answer = {
            "versions": {"root": 1, "revocations": self.revocation_version},
            "expires": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "targets": {name: data.decode() for name, data in self.targets.items()},
            "metadata": {},
        }
        return web.json_response(answer)


def _true_pins(spec: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    pinned = {"image": "sha256:" + spec["image"].rpartition("sha256:")[2]}
    if model := spec.get("model"):
        pinned |= {"model.tree": model["tree"], "model.volume": model["tree"]}
    for name, digest in pinned.items():
        yield {"name": name, "expected": digest, "got": digest}


def configuration(home: Path, cluster: str = "test") -> Config:
    """A configuration with a fresh record key."""
    key = home / "record.pem"
    if not key.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        key.write_bytes(pem)
    return Config.model_validate(
        {
            "cluster": cluster,
            "records": {"keyFile": str(key)},
            "verifier": {"socket": str(home / "verifier.sock")},
            "governance": {
                "url": "https://git.example/governance.git",
                "rootFile": str(home / "root.json"),
                "interval": "1s",
            },
            "stateDir": str(home),
        }
    )


def write_configuration(home: Path, config: Config) -> Path:
    """Write a configuration as the operator reads it."""
    path = home / "config.json"
    path.write_text(json.dumps(config.dump()))
    return path
