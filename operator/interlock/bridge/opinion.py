"""The operator's verdict on a proposal: the one it gave, or else the one that it would give.

Before a merge nothing was decided, so the operator's own gates are asked here, over findings of the
verifier: this process parses no evidence. What only the merge can show (the signatures of commits,
that they continue what an image was built of) is left to the operator.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.actions.facts import ConfigMaps, assemble, context_of, with_config_maps
from interlock.api import names
from interlock.api.facts import Change, Facts, Findings, Involved, Unresolved
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.bridge.agents import Proposal
from interlock.bridge.governed import Governed
from interlock.bridge.port import Hands, Pull
from interlock.bridge.records import Standing
from interlock.decide import view
from interlock.evidence.verifierclient import VerifierClient
from interlock.gates import GATES, grants, judge, verdict

KEPT_SECONDS = 300.0
"""How long a forecast holds while nothing changes: evidence may arrive meanwhile."""
_MAX_KEPT = 512


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict and its lines."""

    verdict: str
    """Allowed, Waiting, Blocked or Error."""
    outcomes: tuple[Mapping[str, Any], ...] = ()
    decided: bool = False
    """Whether the operator gave it; else it is what it would say."""
    unresolved: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class Case:
    """A proposal, and all that is known around it."""

    pull: Pull
    proposal: Proposal
    standing: Standing
    governed: Governed
    hands: Hands
    config_maps: ConfigMaps
    now: datetime


class Judge:
    """Gives opinions, and keeps each while nothing changes."""

    def __init__(self, verifier: VerifierClient, cluster: str) -> None:
        self._verifier, self._cluster = verifier, cluster
        self._kept: dict[object, tuple[float, Opinion]] = {}

    async def opinion(self, case: Case, recorded: frozenset[str]) -> Opinion:
        """Return the verdict on a proposal. `recorded` are the nonces that were written for it."""
        pull, digest = case.pull, case.proposal.agent.digest
        if (decision := _decided(case)) is not None:
            outcomes = tuple(decision.get("outcomes") or ())
            return Opinion(str(decision.get("verdict")), outcomes, decided=True)
        key = (pull.title, pull.head, digest, case.governed.policy.digest, recorded)
        at, kept = self._kept.get(key, (-KEPT_SECONDS, Opinion("Error")))
        if time.monotonic() - at < KEPT_SECONDS:
            return kept
        made = await self._forecast(case)
        while len(self._kept) >= _MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = (time.monotonic(), made)
        return made

    async def _forecast(self, case: Case) -> Opinion:
        agent, policy = case.proposal.agent, case.governed.policy
        context = context_of(case.standing.seen, policy, self._cluster, agent.subject)
        if not case.standing.known:
            serving = case.standing.serving
            update = {"serving": serving, "predecessors": [serving or names.NO_REVISION]}
            context = context.model_copy(update=update)

        def facts(findings: Findings) -> Facts:
            return assemble(
                subject=agent.subject,
                purpose=Purpose.PROMOTION,
                findings=findings,
                policy=policy,
                context=context,
                now=case.now,
            )

        granted = dict(GATES)[grants.NAME](facts(Findings()), policy)
        if granted.outcome is not Outcome.PASS:
            return _of((granted,))
        found = await self._verifier.findings(
            namespace=agent.namespace,
            name=agent.name,
            spec=agent.dumped,
            targets=case.governed.targets,
            since=case.standing.since,
        )
        if isinstance(found, Unresolved):
            return Opinion("Error", unresolved=found.message)
        found = with_config_maps(found, agent.spec, case.config_maps)
        if found.change is None:
            found = found.model_copy(update={"change": _change(case, found)})
        return _of(judge(facts(found), policy))


def _decided(case: Case) -> Mapping[str, Any] | None:
    """Return the operator's decision, if it is about today's policy and what serves now.

    An old one, of a content that served before, says nothing of what would happen to it today.
    """
    standing, digest = case.standing, case.proposal.agent.digest
    decision = standing.decisions.get(digest)
    if decision is None or decision.get("policyDigest") != case.governed.policy.digest:
        return None
    serving, last = view.serving(standing.seen), view.last_move(standing.seen)
    at = datetime.fromisoformat(str(decision.get("at")))
    old = last is not None and at < last.at and not (serving and serving.digest == digest)
    return None if old else decision


def _change(case: Case, found: Findings) -> Change:
    """Return the change as it will be merged, by those whose addresses are on its commits."""
    place = case.proposal.place
    named = {each.provenance.commit for each in found.evidence if each.provenance} - {""}
    return Change(
        repository=place.grant.url,
        ref=place.grant.ref,
        path=place.path,
        commit=case.pull.head,
        contains=sorted(named) or None,
        people=[Involved(kind="author", id=mail) for mail in sorted(case.hands.emails)],
        complete=True,
    )


def _of(results: Sequence[GateResult]) -> Opinion:
    return Opinion(verdict(results), tuple(one.plain() for one in results))
