"""The controller's side of gathering: a verifier that says what it is told, a cluster in a dict."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.actions.gather import gather
from interlock.actions.ports import Governance, InForce, TrafficPorts, WorkPorts
from interlock.api.facts import Approval, Findings, Unresolved
from interlock.audit.records import Keyring, Signer
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Object
from support import facts, policies

KEY = Key(policies.NAMESPACE, facts.NAME)


class Verifier:
    """Answers with `says`, one after another, the last for ever; keeps what it was asked."""

    def __init__(self, *says: Findings | Unresolved) -> None:
        self.says = [*says]
        self.asked: list[Mapping[str, Any]] = []

    async def findings(self, **asked: Any) -> Findings | Unresolved:
        """Answer one question."""
        self.asked.append(asked)
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


class Cluster:
    """What gathering needs of an API server."""

    def __init__(self) -> None:
        self.config_maps: dict[str, Object] = {}
        self.repositories: list[Object] = []
        self.gets = 0

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return what is remembered."""
        assert (kind, namespace) == ("ConfigMap", "interlock-system")
        self.gets += 1
        return self.config_maps.get(name)

    async def apply(self, obj: Object) -> None:
        """Remember."""
        assert obj["metadata"]["namespace"] == "interlock-system"
        self.config_maps[obj["metadata"]["name"]] = obj

    async def list(self, kind: str, namespace: str) -> list[Object]:
        """Return the team's repositories."""
        assert (kind, namespace) == ("AgentRepository", KEY.namespace)
        return self.repositories


class Controller:
    """One controller process; another one with the same cluster and key is it after a restart."""

    def __init__(
        self, verifier: Verifier, cluster: Cluster, key: Ed25519PrivateKey | None = None
    ) -> None:
        signer = Signer(key or Ed25519PrivateKey.generate())
        self.signer, self.cache = signer, Cache()
        keyring = Keyring([signer.public])
        traffic = TrafficPorts(cluster, self.cache, signer, keyring, _now)  # type: ignore[arg-type]
        self.ports = WorkPorts(traffic, verifier, Governance(), {}, "factory")
        self._policy = policies.good_policy()

    async def gather(self) -> Findings | Unresolved:
        """Gather for the good content."""
        in_force = InForce(policy=self._policy, targets={}, fresh=True)
        return await gather(facts.subject().spec, "", KEY, self.ports, in_force)

    async def approvals(self) -> Sequence[Approval]:
        """Return the approvals that were gathered."""
        found = await self.gather()
        assert isinstance(found, Findings), found
        return found.approvals


def _now() -> datetime:
    return datetime.fromisoformat(facts.NOW)
