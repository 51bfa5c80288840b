"""A small model of the cluster: executes steps on values, so that `decide` can be driven fast.

It holds what the real cluster would hold and nothing else; pods become ready, crash or stay
unready by the image they run.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from interlock.api import digests, names, steps
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import (
    Judged,
    Observed,
    Request,
    Revision,
    Timing,
    Transition,
    Verdict,
    Vote,
    Wanted,
    Workload,
)
from interlock.decide import decide

START = datetime(2026, 1, 1, tzinfo=UTC)
TIMING = Timing(timedelta(seconds=1), timedelta(seconds=60), timedelta(seconds=30))
TEAM, NAME = "lab", "one"


def spec_of(mark: str, behaviour: str = "good", **changes: object) -> AgentDeploymentSpec:
    """A spec whose image says how its pods behave: good, never, crashing."""
    base = {
        "riskTier": "low",
        "image": f"registry.example/lab/{behaviour}@sha256:{mark * 64}",
        "rollout": {"bake": "60s", "drain": "10s"},
    }
    return AgentDeploymentSpec.model_validate(base | changes)


@dataclass
class World:
    """One agent's cluster; `seen` is what the controller would observe."""

    now: datetime = START
    seen: Observed = field(default_factory=lambda: Observed(wanted=None, policy="p", fresh=True))
    blocked: set[str] = field(default_factory=set)
    """Image marks that the gates refuse."""
    approvals: int = 1
    """Grows when new approvals are given."""
    pointers: list[str] = field(default_factory=list)
    log: list[steps.Step] = field(default_factory=list)
    votes: dict[str, tuple[Vote, ...]] = field(default_factory=dict)
    """What signals say of a revision, beside readiness and crashes."""

    def want(self, spec: AgentDeploymentSpec) -> str:
        """The team asks for a spec; return the revision's name."""
        dumped = spec.dump()
        digest = digests.content(TEAM, NAME, dumped)
        before = self.seen.wanted
        wanted = Wanted(
            namespace=TEAM,
            name=NAME,
            uid="uid",
            generation=before.generation + 1 if before else 1,
            spec=spec,
            digest=digest,
            behaviour=digests.behaviour(dumped),
            finalizer=before.finalizer if before else False,
        )
        self.seen = replace(self.seen, wanted=wanted, timing=TIMING)
        return names.revision_name(NAME, digest)

    def ask(self, kind: str, **fields: object) -> None:
        """An SRE asks."""
        request = Request(
            kind=kind,  # type: ignore[arg-type]
            namespace=TEAM,
            name=f"r{len(self.log)}",
            uid=f"u{len(self.log)}-{len(self.seen.requests)}",
            created=self.now,
            reason="asked",
            requested_by="sre",
            **fields,  # type: ignore[arg-type]
        )
        self.seen = replace(self.seen, requests=(*self.seen.requests, request))

    def revoke(self, revision: str) -> None:
        """Security revokes a revision; the policy changes with it."""
        revoked = {**self.seen.revoked, revision: "revoked by security"}
        self.seen = replace(self.seen, revoked=revoked, policy=self.seen.policy + "r")

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def step(self) -> steps.Step:
        """Decide once and do it."""
        self._pods()
        step = decide(self.seen, self.now)
        self.log.append(step)
        self._do(step)
        return step

    def settle(self, limit: int = 60) -> None:
        """Run until there is nothing to do; fail when that does not come."""
        for _ in range(limit):
            if isinstance(self.step(), steps.Rest):
                return
        raise AssertionError(f"no rest after {limit} steps: {self.log[-8:]}")

    @property
    def pointer(self) -> str | None:
        """What the Service names."""
        return self.seen.pointer

    def transitions(self) -> list[str]:
        """The types of all records, oldest first."""
        return [record.type for record in self.seen.transitions]

    def _pods(self) -> None:
        loads = {}
        for name, load in self.seen.workloads.items():
            image = self.seen.revisions[name].spec.image if name in self.seen.revisions else ""
            ready = 0 if "/never@" in image or "/crashing@" in image else load.replicas
            started = load.started or (self.now if load.replicas else None)
            loads[name] = replace(
                load,
                ready=ready,
                pods=load.replicas,
                started=started if not ready else None,
            )
        votes = {name: self._votes(name, load) for name, load in loads.items() if load.replicas}
        self.seen = replace(self.seen, workloads=loads, votes=votes)

    def _votes(self, name: str, load: Workload) -> tuple[Vote, ...]:
        """What signals say: readiness of what serves or is ready, crashes, and what a test adds."""
        image = self.seen.revisions[name].spec.image if name in self.seen.revisions else ""
        ready, serves = load.ready > 0, name == self.seen.pointer
        said = "good" if ready else "bad" if serves else "none"
        crashed = "bad" if "/crashing@" in image else "good"
        return (
            Vote("readiness", said, f"{load.ready} of {load.replicas} pods are ready"),
            Vote("crashes", crashed, "container agent restarted 3 times"),
            *self.votes.get(name, ()),
        )

    def _do(self, step: steps.Step) -> None:
        getattr(self, f"_{type(step).__name__}", lambda _: None)(step)
        pointer = self.seen.pointer
        if pointer and (not self.pointers or self.pointers[-1] != pointer):
            self.pointers.append(pointer)

    def _AddFinalizer(self, _: steps.AddFinalizer) -> None:
        assert self.seen.wanted
        self.seen = replace(self.seen, wanted=replace(self.seen.wanted, finalizer=True))

    def _Admit(self, _: steps.Admit) -> None:
        none = names.NO_REVISION
        self.seen = replace(self.seen, namespace="ours", pointer=none, preview=none)

    def _Preview(self, step: steps.Preview) -> None:
        self.seen = replace(self.seen, preview=step.revision)

    def _Inspect(self, _: steps.Inspect) -> None:
        self.seen = replace(self.seen, inspected=self.now)

    def _Judge(self, step: steps.Judge) -> None:
        wanted, seen = self.seen.wanted, self.seen
        assert wanted
        if step.revision not in seen.revisions:
            made = Revision(step.revision, wanted.digest, wanted.behaviour, wanted.spec, self.now)
            seen = replace(seen, revisions={**seen.revisions, step.revision: made})
        image = seen.revisions[step.revision].spec.image
        refused = any(image.endswith(mark * 64) for mark in self.blocked)
        numbers = [v.number for v in seen.verdicts.values() if v.revision == step.revision]
        number = 1 + max(numbers, default=0)
        verdict = Verdict(
            name=f"{step.revision}-{number}",
            revision=step.revision,
            number=number,
            purpose=step.purpose,
            verdict="Blocked" if refused else "Allowed",
            at=self.now,
            expires=None,
            inputs="",
            nonces=(f"n{self.approvals}",),
        )
        place = (step.revision, step.purpose)
        self.now += timedelta(milliseconds=10)
        self.seen = replace(
            seen,
            verdicts={**seen.verdicts, place: verdict},
            judged={**seen.judged, place: Judged(self.now, seen.policy)},
        )

    def _Entitle(self, step: steps.Entitle) -> None:
        admitted = dict(step.entries)
        self.seen = replace(self.seen, admitted=admitted, quarantined=step.quarantined)

    def _Stage(self, step: steps.Stage) -> None:
        assert step.revision in self.seen.admitted
        self._load(step.revision, step.replicas)

    def _Scale(self, step: steps.Scale) -> None:
        assert step.revision != self.seen.pointer
        self._load(step.revision, step.replicas)

    def _Drain(self, step: steps.Drain) -> None:
        load = replace(self.seen.workloads[step.revision], drained=step.transition)
        self.seen = replace(self.seen, workloads={**self.seen.workloads, step.revision: load})

    def _Forget(self, step: steps.Forget) -> None:
        revisions, workloads = dict(self.seen.revisions), dict(self.seen.workloads)
        revisions.pop(step.revision, None)
        workloads.pop(step.revision, None)
        self.seen = replace(self.seen, revisions=revisions, workloads=workloads)

    def _Commit(self, step: steps.Commit) -> None:
        assert self.seen.pointer == step.origin
        assert step.to in self.seen.admitted
        self.seen = replace(self.seen, pointer=step.to)
        self._record("Promotion", step, cause="", nonces=step.nonces)

    def _MoveBack(self, step: steps.MoveBack) -> None:
        self.seen = replace(self.seen, pointer=step.to)
        self._record(step.type, step, cause=step.cause, nonces=step.nonces)
        if step.cut:
            self._cut(step.origin, everything=step.type == "Quarantine")

    def _Record(self, step: steps.Record) -> None:
        self._record(step.type, step, cause=step.cause, nonces=step.nonces)

    def _Cut(self, step: steps.Cut) -> None:
        self._cut(step.revision, everything=step.everything)

    def _MarkHealthy(self, step: steps.MarkHealthy) -> None:
        marked = tuple(
            replace(record, healthy=self.now) if record.name == step.transition.name else record
            for record in self.seen.transitions
        )
        self.seen = replace(self.seen, transitions=marked)

    def _Refuse(self, step: steps.Refuse) -> None:
        self._answered(step.request)

    def _Settle(self, step: steps.Settle) -> None:
        self._answered(step.request)

    def _answered(self, request: Request) -> None:
        left = tuple(one for one in self.seen.requests if one.uid != request.uid)
        self.seen = replace(self.seen, requests=left)

    def _load(self, revision: str, replicas: int) -> None:
        known = self.seen.workloads.get(revision)
        load = known or Workload(revision, 0, 0, 0, True, False, "")
        load = replace(load, replicas=replicas, started=None)
        self.seen = replace(self.seen, workloads={**self.seen.workloads, revision: load})

    def _cut(self, origin: str, *, everything: bool) -> None:
        gone = set(self.seen.workloads) if everything else {origin}
        admitted = {name: e for name, e in self.seen.admitted.items() if name not in gone}
        if everything:
            admitted = {}
        self.seen = replace(self.seen, admitted=admitted)
        for name in gone & set(self.seen.workloads):
            self._load(name, 0)

    def _record(
        self,
        type_: str,
        step: steps.Commit | steps.MoveBack | steps.Record,
        *,
        cause: str,
        nonces: tuple[str, ...],
    ) -> None:
        number = len(self.seen.transitions) + 1
        request = getattr(step, "request", None)
        self.now += timedelta(milliseconds=10)
        record = Transition(
            name=f"{NAME}-{number}",
            number=number,
            type=type_,  # type: ignore[arg-type]
            origin=step.origin,
            to=step.to,
            digest=step.digest,
            behaviour=step.behaviour,
            cause=cause,  # type: ignore[arg-type]
            reason="",
            at=self.now,
            request=request.uid if request else "",
            nonces=nonces,
            cut=getattr(step, "cut", False),
            end="Committed",
            ended=self.now,
        )
        self.now += timedelta(milliseconds=10)
        self.seen = replace(self.seen, transitions=(*self.seen.transitions, record))
