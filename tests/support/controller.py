"""A real controller against a real API server, with a verifier that says what a test wants.

The verifier is another process in production; here it is a small server on the same socket that
answers from values, so that engine tests need neither MLflow nor Sigstore.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from interlock.api.config import Config
from support import policies

QUICK_TIER = {"gates": [], "minimumBake": "1s", "readyWithin": "2s"}
IMAGE = "registry.example/lab/{}@sha256:{}"


def image(repository: str, mark: str) -> str:
    """An image reference; kwok tells by the repository how its pods behave."""
    return IMAGE.format(repository, mark * 64)


def agent(name: str, image_: str, namespace: str = "lab", **spec: Any) -> dict[str, Any]:
    """An AgentDeployment without model and people."""
    rollout = {"bake": "2s", "drain": "1s"}
    return {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"riskTier": "low", "image": image_, "rollout": rollout} | spec,
    }


@dataclass
class Verifier:
    """Answers findings and governance on a Unix socket."""

    socket: Path
    targets: dict[str, bytes]
    revocation_version: int = 1
    findings: Mapping[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    asked: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Verifier"]:
        """Listen for the duration of the block."""
        app = web.Application()
        app.router.add_post("/v1/findings", self._findings)
        app.router.add_post("/v1/governance", self._governance)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(self.socket)).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _findings(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.json()
        await asyncio.sleep(self.delay)
        reference = body["spec"]["image"]
        digest = "sha256:" + reference.rpartition("sha256:")[2]
        pin = {"name": "image", "expected": digest, "got": digest}
        return web.json_response({"pins": [pin]} | dict(self.findings))

    async def _governance(self, _: web.Request) -> web.Response:
        expires = datetime.now(UTC) + timedelta(days=1)
        answer = {
            "versions": {"root": 1, "revocations": self.revocation_version},
            "expires": expires.isoformat().replace("+00:00", "Z"),
            "targets": {name: data.decode() for name, data in self.targets.items()},
            "metadata": {},
        }
        return web.json_response(answer)


def quick_targets(**changes: Any) -> dict[str, bytes]:
    """Targets with times that suit a test."""
    tiers = policies.documents()["tiers"]
    tiers["tiers"]["low"] = QUICK_TIER
    return policies.targets(**({"tiers": tiers, "gates": {"recheck": "1s"}} | changes))


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
