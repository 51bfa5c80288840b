"""Keeps the policy in force: asks the verifier, stores what was verified, restores it on start.

What was verified lies as immutable, hash-named ConfigMaps in our own namespace, named by a
manifest that carries our signature. So a controller that starts while git is away still has the
last good policy and, above all, the last good revocation list.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from interlock.actions.ports import Governance, InForce, TrafficPorts
from interlock.api import digests, names
from interlock.api.facts import Unresolved
from interlock.api.reasons import Reason
from interlock.cluster import status
from interlock.cluster.client import Conflict, Object
from interlock.policy import Policy
from interlock.policy.parse import PolicyError, parse

log = logging.getLogger(__name__)
TARGETS_KIND = "GovernanceManifest"
MAX_CONFIG_MAP = 512 * 1024


class Governs(Protocol):
    """The verifier's side: runs the TUF client over the governance repository."""

    async def governance(self, request: dict[str, Any]) -> bytes | Unresolved:
        """Return {versions, expires, targets, metadata} as JSON, or why there is none."""


class Governor:
    """The only writer of the policy in force."""

    def __init__(
        self,
        ports: TrafficPorts,
        governance: Governance,
        verifier: Governs,
        changed: Callable[[], None],
    ) -> None:
        self._ports, self._governance = ports, governance
        self._verifier, self._changed = verifier, changed
        self._manifest: Object | None = None
        self._whole = True
        """Whether all files that the manifest names are stored."""

    async def restore(self) -> None:
        """Put the last good policy in force, if there is one that we signed and it is whole.

        Never raises for what is stored: without a policy nothing is promoted, and a rollback
        needs none.
        """
        found = await self._ports.client.get(
            "ConfigMap", names.SYSTEM_NAMESPACE, names.GOVERNANCE_MANIFEST
        )
        if found is None:
            return
        try:
            manifest = json.loads(found["data"]["manifest"])
        except (KeyError, ValueError):
            log.error("the governance manifest is unreadable; it is ignored")
            return
        if not self._ports.keyring.valid(TARGETS_KIND, manifest):
            log.error("the governance manifest's signature does not hold; it is ignored")
            return
        self._manifest = manifest  # also without its files: nothing older than it is taken
        try:
            await self._put_in_force(manifest, await self._load(manifest["targets"]))
        except (KeyError, ValueError) as error:
            self._whole = False
            log.error("the last good policy cannot be restored: %s", error)

    async def refresh(self) -> None:
        """Ask the verifier once; put a newer policy in force, or say why there is none."""
        seed = await self._seed()
        request = {"metadata": {name: _b64(data) for name, data in seed.items()}}
        answer = await self._verifier.governance(request)
        if isinstance(answer, Unresolved):
            await self._keep(answer.reason, answer.message)
            return
        try:
            await self._take(json.loads(answer))
        except (PolicyError, KeyError, ValueError) as error:
            await self._keep(Reason.INVALID.value, f"governance was refused: {error}")

    async def run(self, interval: float, wake: Callable[[float], Awaitable[None]]) -> None:
        """Refresh for ever, every `interval` seconds."""
        while True:
            try:
                await self.refresh()
            except Exception:  # the loop must outlive one bad answer of the API server
                log.exception("governance could not be refreshed")
            await wake(interval)

    async def _seed(self) -> dict[str, bytes]:
        """Return the metadata that was verified last; nothing, where its files are gone."""
        try:
            return await self._load(self._manifest["metadata"]) if self._manifest else {}
        except (KeyError, ValueError) as error:
            self._whole = False
            log.error("governance is asked for without what was verified last: %s", error)
            return {}

    def _older(self, versions: dict[str, int]) -> str:
        """Say what is older than what we verified last: a second look, with our own record.

        A new root may start the other roles anew: it names other keys, for whatever reason.
        """
        known = (self._manifest or {}).get("versions", {})
        if versions["root"] > known.get("root", 0):
            return ""
        back = [role for role in sorted(known) if versions.get(role, 0) < known[role]]
        return ", ".join(f"{role} {versions.get(role, 0)} after {known[role]}" for role in back)

    async def _take(self, answer: Object) -> None:
        if older := self._older(answer["versions"]):
            message = f"governance shows older metadata ({older}); the newer stays in force"
            await self._keep(Reason.SOURCE_REFUSED, message)
            return
        targets = {name: text.encode() for name, text in answer["targets"].items()}
        metadata = {name: base64.b64decode(data) for name, data in answer["metadata"].items()}
        manifest = {
            "versions": answer["versions"],
            "expires": answer["expires"],
            "targets": {name: digests.sha256(data) for name, data in sorted(targets.items())},
            "metadata": {name: digests.sha256(data) for name, data in sorted(metadata.items())},
        }
        old = {key: (self._manifest or {}).get(key) for key in manifest}
        await self._put_in_force(manifest, targets)
        if old != manifest or not self._whole:
            await self._store(manifest, [*targets.values(), *metadata.values()])
        await self._report(Reason.PASSED.value, "-")

    async def _put_in_force(self, manifest: Object, targets: dict[str, bytes]) -> None:
        """Parse and install. Raises PolicyError; what is in force then stays."""
        policy = await self._parsed(targets, int(manifest["versions"]["revocations"]))
        fresh = self._ports.clock() < datetime.fromisoformat(manifest["expires"])
        before = self._governance.current
        after = InForce(policy, targets, fresh, versions=manifest["versions"])
        self._governance.current = after
        if before is None or before.key != after.key or before.fresh != after.fresh:
            log.info("policy %s is in force, fresh: %s", after.key[:10], fresh)
            self._changed()

    async def _parsed(self, targets: dict[str, bytes], revocations: int) -> Policy:
        """Parse beside the loop, and only what is new: no parser stands in a rollback's way."""
        known = self._governance.current
        same = known is not None and known.policy.revocation_version == revocations
        if known is not None and same and known.targets == targets:
            return known.policy
        return await asyncio.to_thread(parse, targets, revocations)

    async def _keep(self, reason: str, message: str) -> None:
        """Keep the last good policy; it may promote as long as its own timestamp says."""
        log.warning("governance: %s: %s", reason, message)
        if self._manifest is not None and self._governance.current is not None:
            await self._put_in_force(self._manifest, dict(self._governance.current.targets))
        await self._report(reason, message)

    async def _store(self, manifest: Object, blobs: list[bytes]) -> None:
        for data in blobs:
            await self._store_blob(data)
        signed = self._ports.signer.sign(TARGETS_KIND, manifest)
        body = _config_map(
            names.GOVERNANCE_MANIFEST, {"manifest": digests.canonical(signed).decode()}
        )
        await self._ports.client.apply(body)
        self._manifest, self._whole = signed, True

    async def _store_blob(self, data: bytes) -> None:
        if len(data) > MAX_CONFIG_MAP:
            raise ValueError(
                f"a file of governance has {len(data)} bytes, at most {MAX_CONFIG_MAP}"
            )
        name = names.governance_blob(digests.sha256(data))
        try:
            await self._ports.client.create(
                _config_map(name, {"blob": _b64(data)}) | {"immutable": True}
            )
        except Conflict:
            return

    async def _load(self, wanted: dict[str, str]) -> dict[str, bytes]:
        async def one(digest: str) -> bytes:
            name = names.governance_blob(digest)
            found = await self._ports.client.get("ConfigMap", names.SYSTEM_NAMESPACE, name)
            data = base64.b64decode((found or {}).get("data", {}).get("blob", ""))
            if digests.sha256(data) != digest:
                raise ValueError(f"ConfigMap {name} is missing or its bytes are not {digest}")
            return data

        loaded = await asyncio.gather(*(one(digest) for digest in wanted.values()))
        return dict(zip(wanted, loaded, strict=True))

    async def _report(self, reason: str, message: str) -> None:
        current, manifest = self._governance.current, self._manifest or {}
        fields: Object = {
            "freshness": "Missing" if current is None else "Fresh" if current.fresh else "Stale",
            "policyDigest": current.policy.digest if current else "",
            "versions": manifest.get("versions", {}),
            "manifest": names.GOVERNANCE_MANIFEST if manifest else "",
            "reason": (message if reason != Reason.PASSED else "-")[:1024],
        }
        fields |= {"expires": manifest["expires"]} if manifest else {}
        await status.write(self._ports.client, await self._object(), fields)

    async def _object(self) -> Object:
        found = await self._ports.client.get("Governance", None, "default")
        if found is not None:
            return found | {"kind": "Governance"}
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "Governance",
            "metadata": {"name": "default"},
            "spec": {},
        }
        return await self._ports.client.create(body)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _config_map(name: str, data: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": names.SYSTEM_NAMESPACE},
        "data": data,
    }
