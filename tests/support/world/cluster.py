"""What is durable: the objects of one agent's namespace, and the API server's answers to writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.api import names
from interlock.api.kinds.records import Ending
from interlock.api.observed import Observed, Transition, Workload

START = datetime(2026, 1, 1, tzinfo=UTC)
GRACE = timedelta(seconds=1)


class Refused(Exception):
    """The API server said 403, 404, 409 or 422."""


@dataclass(slots=True)
class Clock:
    """One time for all."""

    now: datetime = START

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Pod:
    """A pod: being born, ready, or about to end."""

    born: datetime
    ends: datetime | None = None


@dataclass
class Cluster:
    """The objects; `seen` is all of them as the controller would observe them without delay."""

    clock: Clock = field(default_factory=Clock)
    name: str = "one"
    seen: Observed = field(default_factory=lambda: Observed(wanted=None, policy="p", fresh=True))
    pods: dict[str, list[Pod]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    """resourceVersion of each Deployment."""
    service: int = 0
    """resourceVersion of the pointer's Service."""
    pod_start: float = 0
    """Seconds from a pod's creation until it is ready; half of them are the image's pull."""
    pod_end: float = 0
    """Seconds that a pod takes to end in peace."""
    sick: set[str] = field(default_factory=set)
    """Revisions whose pods are not ready, whatever their image says."""

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.clock.now

    def see(self, **changes: Any) -> None:
        """Change what is true."""
        self.seen = replace(self.seen, **changes)

    def live_revisions(self) -> list[str]:
        """The revisions of which pods exist."""
        return [name for name, pods in self.pods.items() if pods]

    # The Deployment controller and the kubelet.

    def follow(self) -> None:
        """Pods follow what their Deployments say, as far as time allows."""
        loads = dict(self.seen.workloads)
        for name in {*loads, *self.pods}:
            load = loads.get(name)
            self._pods_of(name, load.replicas if load else 0)
            if load:
                loads[name] = self._counted(load)
        if loads != self.seen.workloads:
            self.see(workloads=loads)

    def _pods_of(self, name: str, replicas: int) -> None:
        pods = [one for one in self.pods.get(name, ()) if not one.ends or one.ends > self.now]
        staying = [one for one in pods if one.ends is None]
        for pod in staying[replicas:]:
            pod.ends = self.now + timedelta(seconds=self.pod_end)
        if name in self.seen.admitted:  # the API server accepts no other pod (I1)
            pods += [Pod(self.now) for _ in range(replicas - len(staying))]
        pods = [one for one in pods if not one.ends or one.ends > self.now]
        if pods:
            self.pods[name] = pods
        else:
            self.pods.pop(name, None)

    def _counted(self, load: Workload) -> Workload:
        pods = self.pods.get(load.revision, [])
        staying = [one for one in pods if one.ends is None]
        ready = sum(self._is_ready(load.revision, one) for one in staying)
        return replace(
            load,
            pods=len(pods),
            ready=ready,
            updated=len(staying) >= load.replicas,
            started=self._started(load.revision, staying),
        )

    def _is_ready(self, name: str, pod: Pod) -> bool:
        known = self.seen.revisions.get(name)
        image = known.spec.image if known else ""
        if name in self.sick or "/never@" in image or "/crashing@" in image:
            return False
        return (self.now - pod.born).total_seconds() >= self.pod_start

    def _started(self, name: str, pods: list[Pod]) -> datetime | None:
        pull = timedelta(seconds=self.pod_start / 2)
        born = (one.born + pull for one in pods if not self._is_ready(name, one))
        return min((moment for moment in born if moment <= self.now), default=None)

    # The API server.

    def need_namespace(self) -> None:
        """Nothing can be written where the namespace is gone."""
        if self.seen.namespace != "ours":
            raise Refused("the namespace is gone")

    def create_record(self, record: Transition) -> None:
        """Create an AgentTransition; its name is the lock."""
        self.need_namespace()
        if any(one.name == record.name for one in self.seen.transitions):
            raise Refused(f"{record.name} exists")
        self.see(transitions=(*self.seen.transitions, record))

    def end_record(self, name: str, end: Ending) -> None:
        """Write the end of a record, once."""
        self._status(name, "end", end=end, ended=self.now)

    def mark_healthy(self, name: str) -> None:
        """Write that a bake ended well, once."""
        self._status(name, "healthy", healthy=self.now)

    def _status(self, name: str, once: str, **fields: Any) -> None:
        found = next((one for one in self.seen.transitions if one.name == name), None)
        if found is None or getattr(found, once) is not None:
            raise Refused(f"{name} is gone, or has its {once} already")
        written = replace(found, **fields)
        records = (written if one is found else one for one in self.seen.transitions)
        self.see(transitions=tuple(records))

    def patch_pointer(self, expected: str, to: str, version: int | None = None) -> None:
        """Move the Service from `expected`, at a version if one is given."""
        if self.seen.pointer != expected or version not in (None, self.service):
            raise Refused(f"the Service names {self.seen.pointer}, not {expected}")
        if to != names.NO_REVISION and to not in self.seen.admitted:
            raise Refused(f"{to} is not admitted")
        self.service += 1
        self.see(pointer=to)

    def patch_admission(
        self, known: Mapping[str, bool], entries: Mapping[str, bool], quarantined: bool
    ) -> None:
        """Write AgentAdmission, if it still is what was known."""
        self.need_namespace()
        if dict(self.seen.admitted) != dict(known):
            raise Refused("the AgentAdmission changed meanwhile")
        self.see(admitted=dict(entries), quarantined=quarantined)

    def patch_deployment(self, name: str, version: int | None = None, **fields: Any) -> None:
        """Change a Deployment, at a version if one is given."""
        load = self.seen.workloads.get(name)
        if load is None or version not in (None, self.version(name)):
            raise Refused(f"Deployment {name} is gone, or changed meanwhile")
        changed = replace(load, **fields)
        if changed != load:  # a patch that changes nothing is no write
            self.versions[name] = self.version(name) + 1
            self.see(workloads={**self.seen.workloads, name: changed})

    def apply_deployment(self, name: str, replicas: int) -> None:
        """Create a Deployment, or set its replicas."""
        self.need_namespace()
        if name not in self.seen.workloads:
            fresh = Workload(name, replicas, 0, 0, replicas == 0, False, "")
            self.versions[name] = self.version(name) + 1
            self.see(workloads={**self.seen.workloads, name: fresh})
        self.patch_deployment(name, replicas=replicas)

    def delete_deployment(self, name: str) -> None:
        """Delete a Deployment; its pods end."""
        left = {one: load for one, load in self.seen.workloads.items() if one != name}
        self.see(workloads=left)

    def delete_pods(self, name: str, *, at_once: bool) -> None:
        """Delete a revision's pods, with hardly any grace or none."""
        for pod in self.pods.get(name, ()):
            soon = self.now if at_once else self.now + min(GRACE, _span(self.pod_end))
            pod.ends = min(pod.ends or soon, soon)
        self.follow()

    def version(self, name: str) -> int:
        """A Deployment's resourceVersion."""
        return self.versions.get(name, 0)


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
