"""The last good policy stays in force, whatever governance shows; and a restart keeps it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.actions.govern import Governor
from interlock.actions.ports import Governance, TrafficPorts
from interlock.api import names
from interlock.api.facts import Unresolved
from interlock.api.reasons import Reason
from interlock.audit.records import Keyring, Signer
from interlock.cli import tufrepo
from interlock.cluster.cache import Cache
from interlock.cluster.client import Client, Conflict
from interlock.evidence import governance as tuf
from interlock.policy.revocations import RevokedDigest
from support.govrepo import GovRepo, govrepo
from support.policies import targets

Object = dict[str, Any]
LEAK = RevokedDigest(digest="a" * 64, reason="leaks")
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


@dataclass
class Api:
    """An API server that keeps ConfigMaps and the object Governance."""

    stored: dict[str, Object] = field(default_factory=dict)

    async def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        return self.stored.get(f"{kind}/{name}")

    async def create(self, obj: Object) -> Object:
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        if name in self.stored:
            raise Conflict(409, "exists")
        obj["metadata"]["uid"] = "u-1"
        self.stored[name] = obj
        return obj

    async def apply(self, obj: Object) -> Object:
        self.stored[f"{obj['kind']}/{obj['metadata']['name']}"] = obj
        return obj

    async def merge_patch(
        self, kind: str, _: str | None, name: str, patch: Object, *, subresource: str
    ) -> Object:
        obj = self.stored[f"{kind}/{name}"]
        kept = obj.get(subresource, {}) | patch[subresource]
        obj[subresource] = {name: value for name, value in kept.items() if value is not None}
        return obj


@dataclass
class Verifier:
    """Verifies a tree as the verifier does, or says what it is told to say."""

    repo: GovRepo
    says: Unresolved | Object | None = None
    forgets: bool = False
    """Whether it loses what it is told was verified last."""

    async def governance(self, request: Object) -> bytes | Unresolved:
        if isinstance(self.says, Unresolved):
            return self.says
        seed = {n: base64.b64decode(text) for n, text in request["metadata"].items()}
        try:
            found = self.repo.load({} if self.forgets else seed)
        except tuf.GovernanceStale as error:
            return Unresolved(reason=Reason.POLICY_STALE, message=str(error))
        except tuf.GovernanceRefused as error:
            return Unresolved(reason=Reason.SOURCE_REFUSED, message=str(error))
        return json.dumps(answer(found) | (self.says or {})).encode()


def answer(found: tuf.Governed) -> Object:
    return {
        "versions": found.versions,
        "expires": found.expires.isoformat(),
        "targets": {name: data.decode() for name, data in found.targets.items()},
        "metadata": {name: base64.b64encode(d).decode() for name, d in found.metadata.items()},
    }


class Controller:
    """A Governor and what it works with; `restarted` is the next process of the same cluster."""

    def __init__(self, verifier: Verifier, api: Api, key: Ed25519PrivateKey = KEY) -> None:
        self.verifier, self.api = verifier, api
        self.governance = Governance()
        self.now = datetime.now(UTC)
        self.wakes = 0
        signer = Signer(key)
        ports = TrafficPorts(
            cast(Client, api), Cache(), signer, Keyring([signer.public]), lambda: self.now
        )
        self.governor = Governor(ports, self.governance, verifier, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def restarted(self, key: Ed25519PrivateKey = KEY) -> "Controller":
        return Controller(self.verifier, self.api, key)

    @property
    def status(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.api.stored["Governance/default"]["status"]
        return found

    @property
    def revoked(self) -> list[str]:
        assert self.governance.current
        return [each.digest for each in self.governance.current.policy.revocations.digests]


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    return govrepo(tmp_path)


@pytest.fixture
def old(repo: GovRepo) -> GovRepo:
    """The repository as it was before the revocation, with the same keys."""
    return repo.copy("older")


@pytest.fixture
async def running(repo: GovRepo, old: GovRepo) -> Controller:
    """A controller with a policy in force under which something was revoked."""
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    found = Controller(Verifier(repo), Api())
    await found.governor.refresh()
    return found


async def test_the_status_shows_digest_and_versions(running: Controller) -> None:
    assert running.governance.current
    assert running.status["policyDigest"] == running.governance.current.policy.digest
    assert running.status["versions"] == dict.fromkeys(tuf.ROLES, 1) | {
        "revocations": 2,
        "snapshot": 2,
        "timestamp": 2,
    }
    assert running.governance.current.versions == running.status["versions"]
    assert running.status["freshness"] == "Fresh"
    assert running.status["reason"] == "-"
    assert running.wakes == 1


async def test_without_governance_nothing_is_in_force(repo: GovRepo) -> None:
    found = Controller(Verifier(repo, Unresolved(reason="SourceUnavailable", message="x")), Api())
    await found.governor.restore()
    await found.governor.refresh()
    assert found.governance.current is None
    assert (found.status["freshness"], found.status["reason"]) == ("Missing", "x")


async def test_older_metadata_keeps_the_newer_in_force(running: Controller, old: GovRepo) -> None:
    running.verifier.repo = old
    await running.governor.refresh()
    assert running.revoked == [LEAK.digest]
    assert running.status["versions"]["revocations"] == 2
    assert "older" in running.status["reason"]


async def test_older_metadata_is_refused_even_if_the_verifier_takes_it(
    running: Controller, old: GovRepo
) -> None:
    running.verifier.repo = old
    running.verifier.forgets = True
    await running.governor.refresh()
    assert running.revoked == [LEAK.digest]
    assert "revocations 1 after 2" in running.status["reason"]


async def test_a_new_root_may_count_anew(running: Controller) -> None:
    versions = dict.fromkeys(tuf.ROLES, 1)
    running.verifier.says = {"versions": versions | {"root": 2, "revocations": 2}}
    await running.governor.refresh()
    assert running.status["versions"]["root"] == 2
    assert running.status["reason"] == "-"


async def test_unsigned_metadata_keeps_the_last_good(running: Controller) -> None:
    repo = running.verifier.repo
    copy = repo.signed_copy("tiers.yaml")
    copy.write_bytes(copy.read_bytes().replace(b"true", b"null"))
    await running.governor.refresh()
    assert running.revoked == [LEAK.digest]
    assert "not the one that was signed" in running.status["reason"]
    assert running.status["freshness"] == "Fresh"


async def test_a_policy_that_is_none_keeps_the_last_good(running: Controller) -> None:
    texts = {name: data.decode() for name, data in targets().items()}
    running.verifier.says = {"targets": texts | {"tiers.yaml": "tiers: {x: {}}"}}
    await running.governor.refresh()
    assert running.revoked == [LEAK.digest]
    assert "governance was refused: tiers.yaml" in running.status["reason"]


async def test_expired_metadata_stops_promotions_and_keeps_revocations(
    running: Controller,
) -> None:
    tufrepo.sign(
        running.verifier.repo.directory, running.verifier.repo.keys, expires=timedelta(seconds=-1)
    )
    running.now += timedelta(days=8)
    await running.governor.refresh()
    assert running.governance.current
    assert not running.governance.current.fresh
    assert running.revoked == [LEAK.digest]
    assert running.status["freshness"] == "Stale"
    assert running.wakes == 2


async def test_frozen_metadata_goes_stale_when_its_own_time_is_over(running: Controller) -> None:
    """A server that shows the same for ever: nothing is refused, and the clock decides."""
    await running.governor.refresh()
    assert running.governance.current
    assert running.governance.current.fresh
    running.now += timedelta(days=8)
    await running.governor.refresh()
    assert not running.governance.current.fresh
    assert running.revoked == [LEAK.digest]


async def test_a_restart_without_git_has_policy_and_revocations(running: Controller) -> None:
    after = running.restarted()
    after.verifier.says = Unresolved(reason="SourceUnavailable", message="away")
    await after.governor.restore()
    assert after.revoked == [LEAK.digest]
    await after.governor.refresh()
    assert (after.status["freshness"], after.status["reason"]) == ("Fresh", "away")


async def test_a_restart_refuses_what_is_older_than_before_it(
    running: Controller, old: GovRepo
) -> None:
    running.verifier.repo = old
    after = running.restarted()
    await after.governor.restore()
    await after.governor.refresh()
    assert after.revoked == [LEAK.digest]
    assert "older" in after.status["reason"]


async def test_a_manifest_that_somebody_else_signed_is_not_restored(running: Controller) -> None:
    after = running.restarted(OTHER)
    await after.governor.restore()
    assert after.governance.current is None


async def test_a_list_that_somebody_changed_is_not_restored(running: Controller) -> None:
    blobs = [o for n, o in running.api.stored.items() if n.startswith("ConfigMap/governance-")]
    listed = base64.b64encode(b"digests: []\n").decode()
    for blob in blobs:
        if LEAK.digest.encode() in base64.b64decode(blob["data"].get("blob", "")):
            blob["data"]["blob"] = listed
    after = running.restarted()
    await after.governor.restore()
    assert after.governance.current is None


async def test_files_that_are_gone_neither_stop_us_nor_open_the_way_back(
    running: Controller, old: GovRepo
) -> None:
    manifest = f"ConfigMap/{names.GOVERNANCE_MANIFEST}"
    newest = running.verifier.repo
    for name in [n for n in running.api.stored if n.startswith("ConfigMap/") and n != manifest]:
        del running.api.stored[name]
    after = running.restarted()
    await after.governor.restore()
    assert after.governance.current is None
    after.verifier.repo = old
    await after.governor.refresh()
    assert after.governance.current is None
    assert "revocations 1 after 2" in after.status["reason"]
    after.verifier.repo = newest
    await after.governor.refresh()
    assert after.revoked == [LEAK.digest]
    last = after.restarted()
    await last.governor.restore()
    assert last.revoked == [LEAK.digest]
