"""What all agents do together: how many are within their bake, how many went back lately.

Kept up to date by each look at an agent, so that nobody ever walks over all of them. A process
that just started has looked at every agent before its lanes have come far.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from interlock.api.kinds.base import seconds
from interlock.api.observed import Fleet, Observed
from interlock.api.values import Purpose
from interlock.cluster.cache import Key
from interlock.decide import view
from interlock.policy.model import Breakers


@dataclass(slots=True)
class FleetWatch:
    """The few facts of each agent that concern the others."""

    _promoting: set[Key] = field(default_factory=set)
    _rolled_back: dict[Key, datetime] = field(default_factory=dict)
    _in_trouble: dict[Key, datetime] = field(default_factory=dict)
    _agents: set[Key] = field(default_factory=set)

    def note(self, key: Key, seen: Observed) -> None:
        """Take in what a look at an agent showed."""
        if seen.wanted is None:
            self.forget(key)
            return
        self._agents.add(key)
        record = view.open_record(seen)
        moving = (record is not None and record.type == "Promotion") or view.baking(seen)
        (self._promoting.add if moving else self._promoting.discard)(key)
        back = next((one for one in reversed(seen.transitions) if view.automatic(one)), None)
        _keep(self._rolled_back, key, back.at if back else None)
        judged = seen.judged.get((view.candidate(seen), Purpose.PROMOTION))
        _keep(self._in_trouble, key, judged.at if judged and judged.trouble[0] else None)

    def begin(self, key: Key) -> None:
        """An agent is about to be promoted: count it before its record can be seen."""
        self._promoting.add(key)

    def forget(self, key: Key) -> None:
        """An agent is gone."""
        self._agents.discard(key)
        self._promoting.discard(key)
        self._rolled_back.pop(key, None)
        self._in_trouble.pop(key, None)

    @property
    def promoting(self) -> int:
        """Agents between commit and the end of their bake."""
        return len(self._promoting)

    def of(self, key: Key, breakers: Breakers, now: datetime) -> Fleet:
        """Return what the fleet looks like to one agent."""
        others = len(self._promoting) - (key in self._promoting)
        return Fleet(others, self.halted(breakers, now))

    def halted(self, breakers: Breakers, now: datetime) -> str:
        """Return why promotions and rollbacks for health are stopped everywhere, or nothing."""
        within = timedelta(seconds=seconds(breakers.fleet_within))
        back = _recent(self._rolled_back, now - within)
        if back >= breakers.fleet_agents and back > breakers.fleet_share * len(self._agents):
            return (
                f"{back} of {len(self._agents)} agents were rolled back within "
                f"{breakers.fleet_within}; look at them first"
            )
        # Teams are counted here: one with many broken files must not stop the others.
        lost = len({key.namespace for key, at in self._in_trouble.items() if at > now - within})
        if lost < breakers.fleet_agents:
            return ""
        teams = len({key.namespace for key in self._agents})
        if lost <= breakers.fleet_errors * teams:
            return ""
        return f"{lost} of {teams} teams' agents could not be judged; look at the sources first"


def _keep(found: dict[Key, datetime], key: Key, moment: datetime | None) -> None:
    if moment is None:
        found.pop(key, None)
    else:
        found[key] = moment


def _recent(found: dict[Key, datetime], since: datetime) -> int:
    return sum(moment > since for moment in found.values())
