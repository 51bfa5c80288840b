"""Several agents of one namespace, each with its own pointer, watching one another."""

from dataclasses import dataclass, field, replace
from typing import Any

from interlock.actions.fleet import FleetWatch
from interlock.actions.peers import peers
from interlock.api.observed import Observed
from interlock.cluster.cache import Key
from interlock.policy.model import Breakers
from support.world.cluster import Clock
from support.world.world import TEAM, World


@dataclass
class Member(World):
    """An agent whose controller sees the others."""

    town: "Town | None" = None

    def look(self) -> Observed:
        """What the controller's caches and memory say, peers and fleet included."""
        seen = super().look()
        return self.town.beside(self, seen) if self.town else seen


@dataclass
class Town:
    """Agents that share one clock and one fleet breaker."""

    names: tuple[str, ...]
    breakers: Breakers = field(default_factory=Breakers)
    clock: Clock = field(default_factory=Clock)
    watch: FleetWatch = field(default_factory=FleetWatch)
    agents: dict[str, Member] = field(init=False)

    def __post_init__(self) -> None:
        self.agents = {one: Member(self.clock, one, town=self) for one in self.names}

    def beside(self, agent: Member, seen: Observed) -> Observed:
        """Add to a look what the others are doing, as `actions/observe.py` does."""
        key = Key(TEAM, agent.name)
        self.watch.note(key, seen)
        fleet = self.watch.of(key, self.breakers, agent.now)
        if seen.fleet.halted or seen.fleet.promoting > fleet.promoting:
            fleet = seen.fleet
        others: Any = self
        found = peers(seen, key, others, self._alone, agent.now)
        return replace(seen, peers=found, fleet=fleet)

    def of(self, _: str, __: str) -> dict[str, Any]:
        """All AgentDeployments of the namespace, as far as `peers` reads them."""
        return {
            name: {"spec": {"rollout": {"group": wanted.spec.rollout.group}}}
            for name, one in self.agents.items()
            if (wanted := one.seen.wanted)
        }

    def _alone(self, key: Key) -> Observed:
        found = self.agents.get(key.name)
        return World.look(found) if found else Observed(wanted=None)
