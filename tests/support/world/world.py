"""One agent: what people and pods do to it, what its signals say, and the controller's steps."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from interlock.api import digests, names, steps
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import (
    Observed,
    Peer,
    Request,
    Revision,
    Timing,
    Verdict,
    Vote,
    Wanted,
    Workload,
)
from interlock.api.values import Purpose
from interlock.decide import decide, view
from support.world import glass
from support.world.cluster import Cluster, Refused
from support.world.executors import STAGE_REFUSED, Process, Writes, run

TIMING = Timing(
    timedelta(seconds=1), timedelta(seconds=60), timedelta(seconds=30), break_glass=glass.GLASS
)
TEAM, NAME = "lab", "one"
STAGE_RETRY = timedelta(seconds=30)
DEAF = timedelta(seconds=3)
"""How long a new process has no samples."""


def spec_of(mark: str, behaviour: str = "good", **changes: object) -> AgentDeploymentSpec:
    """A spec whose image says how its pods behave: good, never, crashing."""
    base = {
        "riskTier": "low",
        "image": f"registry.example/lab/{behaviour}@sha256:{mark * 64}",
        "rollout": {"bake": "60s", "drain": "10s"},
    }
    return AgentDeploymentSpec.model_validate(base | changes)


@dataclass(frozen=True, slots=True)
class Lag:
    """Parts of a cache that are behind, and until when."""

    parts: frozenset[str]
    old: Observed
    service: int
    until: datetime


@dataclass
class World(Cluster):
    """One agent's cluster; `seen` is what the controller would observe."""

    name: str = NAME
    blocked: set[str] = field(default_factory=set)
    """Image marks that the gates refuse."""
    unapproved: set[str] = field(default_factory=set)
    """Image marks that wait for approvals."""
    approvals: int = 1
    """Grows when new approvals are given."""
    lasts: float = 0
    """Seconds for which a verdict allows; 0 is for ever."""
    outage: tuple[str, str] = ("", "")
    """Why nothing can be judged now."""
    drifted: tuple[str, ...] = ()
    """What somebody changed in the agent's namespace."""
    pointers: list[str] = field(default_factory=list)
    log: list[steps.Step] = field(default_factory=list)
    votes: dict[str, tuple[Vote, ...]] = field(default_factory=dict)
    """What sampled signals say of a revision, beside readiness and crashes."""
    deaf: datetime | None = None
    """Until when this process has no samples."""
    allowed: set[str] = field(default_factory=set)
    """Revisions that a gate's verdict ever allowed."""
    lag: Lag | None = None
    staged_at: dict[str, datetime] = field(default_factory=dict)

    # People.

    def want(self, spec: AgentDeploymentSpec) -> str:
        """The team asks for a spec; return the revision's name."""
        digest, behaviour = _digests(self.name, spec.model_dump_json())
        before = self.seen.wanted
        wanted = Wanted(
            namespace=TEAM,
            name=self.name,
            uid="uid",
            generation=before.generation + 1 if before else 1,
            spec=spec,
            digest=digest,
            behaviour=behaviour,
            finalizer=before.finalizer if before else False,
        )
        self.see(wanted=wanted, timing=TIMING)
        return names.revision_name(self.name, digest)

    def promote(self, *marks: str) -> "World":
        """Each of these contents comes to serve, in order, and serves healthy."""
        for mark in marks:
            self.want(spec_of(mark))
            self.settle()
            self.pass_time(61)
            self.settle()
        return self

    def change(self, **operational: Any) -> None:
        """The team changes what is in no digest: replicas, warm, paused."""
        wanted = self.seen.wanted
        assert wanted
        self.see(wanted=replace(wanted, spec=wanted.spec.model_copy(update=operational)))

    def delete(self) -> None:
        """The team deletes the agent."""
        wanted = self.seen.wanted
        assert wanted
        self.see(wanted=replace(wanted, deleting=True) if wanted.finalizer else None)

    def ask(self, kind: str, **fields: object) -> None:
        """An SRE asks."""
        self.asked = getattr(self, "asked", 0) + 1
        said: dict[str, Any] = {"requested_by": "sre"} | fields
        request = Request(
            kind=kind,  # type: ignore[arg-type]
            namespace=TEAM,
            name=f"r{self.asked}",
            uid=f"u{self.asked}",
            created=self.now,
            reason="asked",
            **said,
        )
        self.see(requests=(*self.seen.requests, request))

    def break_glass(self, person: str, seconds: float = 600) -> None:
        """A person says that what is wanted must run before its approvals are there."""
        wanted = self.seen.wanted
        assert wanted
        self.ask(
            "AgentBreakGlass",
            digest=wanted.digest,
            ticket="INC-1",
            expires=self.now + timedelta(seconds=seconds),
            requested_by=person,
            person=person,
        )

    def revoke(self, revision: str) -> None:
        """Security revokes a revision, and so its fallback; the policy changes with it."""
        gone = [revision, *view.fallbacks(self.seen, revision)]
        revoked = {**self.seen.revoked, **dict.fromkeys(gone, "revoked by security")}
        self.see(revoked=revoked, policy=self.seen.policy + "r")

    def emergency(self, to: str) -> None:
        """Somebody with the right to it moves the pointer by hand."""
        if self.seen.admitted.get(to) and self.seen.pointer not in (None, to):
            self.patch_pointer(self.seen.pointer or "", to)
            self.see(emergency="the line stands still")

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pass_time(seconds)

    # The controller.

    def step(self) -> steps.Step:
        """Decide once and do it, undisturbed."""
        step = self.decide()
        try:
            for _ in self.start(step):
                self._note()
        except Refused:
            pass
        self._note()
        return step

    def decide(self) -> steps.Step:
        """Decide once."""
        step = decide(self.look(), self.now)
        self.log.append(step)
        return step

    def start(self, step: steps.Step, frozen: tuple[Observed, int] | None = None) -> Writes:
        """Begin to do a step, write by write; `frozen` are the caches of a paused process."""
        return run(step, Process(self, frozen))

    def settle(self, limit: int = 60) -> None:
        """Run until there is nothing to do; fail when that does not come."""
        for _ in range(limit):
            if isinstance(self.step(), steps.Rest):
                return
        raise AssertionError(f"no rest after {limit} steps: {self.log[-8:]}")

    def kill(self) -> None:
        """The process dies: what only it remembered is lost; the next one lists everything."""
        self.lag, self.deaf = None, self.now + DEAF
        self.staged_at.clear()
        self.see(judged={}, staged={}, drift=(), repairs=(), inspected=self.now)

    def look(self) -> Observed:
        """What the controller's caches and memory say."""
        self.follow()
        self._retry_stages()
        said = {name: self._votes(name, load) for name, load in self._watched()}
        if said != self.seen.votes:
            self.see(votes=said)
        lag = self.lag
        if lag is None:
            return self.seen
        if self.now >= lag.until:
            self.lag = None
            return self.seen
        return replace(self.seen, **{part: getattr(lag.old, part) for part in lag.parts})

    def known_version(self) -> int:
        """The Service's resourceVersion as the caches say."""
        behind = self.lag is not None and "pointer" in self.lag.parts
        return self.lag.service if self.lag and behind else self.service

    def fall_behind(self, parts: Iterable[str], seconds: float) -> None:
        """The caches of these parts hear of nothing for a while."""
        until = self.now + timedelta(seconds=seconds)
        self.lag = Lag(frozenset(parts), self.look(), self.service, until)

    def caught_up(self, *parts: str) -> None:
        """What a process writes or reads live is merged into its caches at once."""
        if self.lag is not None:
            self.lag = replace(self.lag, parts=self.lag.parts - set(parts))

    # What executors ask of it.

    def patch_pointer(self, expected: str, to: str, version: int | None = None) -> None:
        """Move the Service."""
        super().patch_pointer(expected, to, version)
        self.caught_up("pointer")

    def patch_deployment(self, name: str, version: int | None = None, **fields: Any) -> None:
        """Change a Deployment."""
        super().patch_deployment(name, version, **fields)
        self.caught_up("workloads")

    def answer(self, request: Request, _: steps.Step) -> None:
        """Write a request's answer."""
        left = tuple(one for one in self.seen.requests if one.uid != request.uid)
        self.see(requests=left)
        self.caught_up("requests")

    def set_finalizer(self, *, present: bool) -> None:
        """Add our finalizer, or let the object go."""
        wanted = self.seen.wanted
        if wanted is None:
            raise Refused("the AgentDeployment is gone")
        if not present or not wanted.deleting:
            self.see(wanted=replace(wanted, finalizer=True) if present else None)
        self.caught_up("wanted")

    def remove_namespace(self) -> None:
        """The namespace and all in it go."""
        self.pods.clear()
        self.see(
            namespace="absent",
            pointer=None,
            preview=None,
            emergency="",
            quarantined=False,
            admitted={},
            revisions={},
            verdicts={},
            transitions=(),
            workloads={},
            votes={},
            revoked={},
            judged={},
        )
        self.lag = None

    def verdict(self, revision: str, purpose: Purpose) -> Verdict:
        """What the gates say of a revision now."""
        known = self.seen.revisions.get(revision)
        if known is None:
            raise Refused(f"{revision} is gone")
        mark = known.spec.image[-1]
        said: Any = "Blocked" if mark in self.blocked else "Allowed"
        approved = mark not in self.unapproved
        asked = not approved and purpose is Purpose.PROMOTION
        broken = glass.broken(self.seen, known, self.now) if asked else ()
        if purpose is Purpose.PROMOTION and not (approved or broken) and said == "Allowed":
            said = "Waiting"
        if said == "Allowed":
            self.allowed.add(revision)
        numbers = [v.number for v in self.seen.verdicts.values() if v.revision == revision]
        number = 1 + max(numbers, default=0)
        ends = [self.now + timedelta(seconds=self.lasts)] if self.lasts else []
        ends += glass.ends(self.seen, broken)
        return Verdict(
            name=f"{revision}-{number}",
            revision=revision,
            number=number,
            purpose=purpose,
            verdict=said,
            at=self.now,
            expires=min(ends, default=None),
            inputs=f"{said} {approved} {broken} {self.approvals} {self.now if self.lasts else ''}",
            gate="vulnerability-scan" if said == "Blocked" else "",
            reason="Vulnerable" if said == "Blocked" else "",
            message="CVE-2026-1234 CRITICAL in libfoo" if said == "Blocked" else "",
            nonces=() if broken else (f"n{self.approvals}",),
            approved=approved,
            broken=broken,
        )

    def fallback_of(self, known: Revision) -> Revision | None:
        """The revision of a content's fallback."""
        spec = known.spec
        if spec.fallback is None:
            return None
        tools = [tool for tool in spec.tools if tool.name in spec.fallback.tools]
        less = spec.model_copy(update={"tools": tools, "fallback": None})
        digest, behaviour = _digests(self.name, less.model_dump_json())
        name = names.revision_name(self.name, digest)
        return Revision(name, digest, behaviour, less, self.now, parent=known.name)

    def stage_refused(self, revision: str, at: Process) -> None:
        """The API server refused the very pod."""
        self.staged_at[revision] = self.now
        at.remember(staged={**self.seen.staged, revision: STAGE_REFUSED})

    def inspected(self, at: Process) -> None:
        """Live objects were compared with what was rendered, and put right."""
        drift, self.drifted = self.drifted, ()
        at.remember(inspected=self.now, drift=drift)
        if drift:
            at.remember(repairs=(*self.seen.repairs, self.now)[-32:])

    # What tests ask.

    @property
    def pointer(self) -> str | None:
        """What the Service names."""
        return self.seen.pointer

    def transitions(self) -> list[str]:
        """The types of all records, oldest first."""
        return [record.type for record in self.seen.transitions]

    def peers(self, *found: Peer) -> None:
        """What the other agents are doing."""
        self.see(peers=found)

    def _note(self) -> None:
        pointer = self.seen.pointer
        if pointer and (not self.pointers or self.pointers[-1] != pointer):
            self.pointers.append(pointer)

    def _retry_stages(self) -> None:
        late = [name for name, at in self.staged_at.items() if self.now - at >= STAGE_RETRY]
        for name in late:
            del self.staged_at[name]
            self.see(staged={one: why for one, why in self.seen.staged.items() if one != name})

    def _watched(self) -> Iterable[tuple[str, Workload]]:
        seen = self.seen
        for name in dict.fromkeys((seen.pointer or "", view.candidate(seen))):
            load = seen.workloads.get(name)
            if load and name in seen.revisions and (load.replicas or name == seen.pointer):
                yield name, load

    def _votes(self, name: str, load: Workload) -> tuple[Vote, ...]:
        """What signals say: readiness, crashes, and what a test adds."""
        seen, enough = self.seen, load.updated and load.ready >= load.replicas
        crashing = "/crashing@" in seen.revisions[name].spec.image
        if not load.replicas:
            said = "none"
        elif name == seen.pointer:
            said = "good" if load.ready else "bad"
        else:
            said = "good" if enough else "none"
        found = [Vote("readiness", said, "pods are ready")]  # type: ignore[arg-type]
        if load.pods:
            word = "bad" if crashing else "good"
            found.append(Vote("crashes", word, "container agent restarts"))  # type: ignore[arg-type]
        deaf = self.deaf is not None and self.now < self.deaf
        sampled = self.votes.get(name, ())
        if deaf:
            sampled = tuple(replace(vote, verdict="none") for vote in sampled)
        return (*found, *sampled)


@lru_cache(maxsize=4096)
def _digests(name: str, spec: str) -> tuple[str, str]:
    dumped = AgentDeploymentSpec.model_validate_json(spec).dump()
    return digests.content(TEAM, name, dumped), digests.behaviour(dumped)
