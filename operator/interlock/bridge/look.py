"""One look at one forge: reads what is proposed and reviewed, signs what counts, says what it saw.

Nothing is remembered that matters: a look that ends anywhere is done again, and what was written
already is found in git. Whatever goes wrong with one pull request stops no other.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from interlock.api import digests
from interlock.api.kinds.base import seconds
from interlock.bridge import acceptance, check, statement
from interlock.bridge.acceptance import Counted, Said
from interlock.bridge.agents import MAX_AGENTS, Place, Proposal, Proposals, Reader, repositories
from interlock.bridge.check import Report
from interlock.bridge.governed import Electorate, Governed
from interlock.bridge.ledger import MAX_FILES, RESERVED, Ledger, file_name
from interlock.bridge.opinion import Case, Judge, Opinion
from interlock.bridge.port import Forge, Hands, Pull, RateLimited, Review
from interlock.bridge.records import Records, Standing
from interlock.bridge.signing import Key
from interlock.bridge.statement import Seen
from interlock.cli.exits import BadInput
from interlock.cli.statement import Ballot
from interlock.cluster.client import ClusterError
from interlock.evidence import approvals
from interlock.evidence.http import SourceError, SourceRefused, shown
from interlock.policy import Policy, queries
from interlock.policy.model import SourceGrant

ENDED = timedelta(hours=72)
"""For how long after its end a pull request is still looked at: reviews are read after merges."""
MAX_SECONDS = 120.0
"""For one pull request."""
REFUSED_AGAIN = 600.0
"""Seconds until a pull request that asked too much is read again, unless it changes."""
MAX_TOLD = 10_000
"""Statuses and comments that are remembered; what is forgotten is said once more."""
MAX_KNOWN = 1000
"""Pull requests of which it is remembered what they proposed."""
log = logging.getLogger(__name__)
_ERRORS = (SourceError, ClusterError, BadInput, TimeoutError)


@dataclass(frozen=True, slots=True)
class Bridge:
    """Who looks, and where."""

    forge: str
    """`https://host`."""
    cluster: str
    key: Key
    ledger: Callable[[str], Ledger]
    """The mirror of an approvals repository, by URL."""
    records: Records | None
    judge: Judge
    clock: Callable[[], datetime]


class Written(NamedTuple):
    """What came of the words on one proposal."""

    nonces: frozenset[str] = frozenset()
    troubles: tuple[str, ...] = ()


class Watch:
    """Looks at one forge, again and again."""

    def __init__(self, bridge: Bridge, forge: Forge) -> None:
        self._bridge, self._forge = bridge, forge
        self._reader = Reader(forge)
        self._turns: dict[str, int] = {}
        self._told: dict[tuple[str, str], object] = {}
        self._known: dict[str, dict[Place, Proposal]] = {}
        self._refused: dict[str, tuple[datetime, float]] = {}

    async def look(self, governed: Governed) -> None:
        """Look at all pull requests that could deliver an agent. Raises RateLimited."""
        since = self._bridge.clock() - ENDED
        found = repositories(governed.policy, self._bridge.forge)
        for repository in sorted(found, key=lambda one: self._turns.get(one, 0)):
            # who was looked at last comes last: a look that takes too long ends before all were
            self._turns[repository] = max(self._turns.values(), default=0) + 1
            try:
                pulls = await self._forge.pulls(repository, since)
            except RateLimited:
                raise
            except SourceError as error:
                log.warning("%s cannot be read: %s", repository, error)
                continue
            for pull in pulls:
                await self._guarded(pull, governed, found[repository])

    async def _guarded(
        self, pull: Pull, governed: Governed, grants: list[tuple[str, SourceGrant]]
    ) -> None:
        """Look at one pull request, whatever it does to us."""
        clock = asyncio.get_running_loop().time
        updated, until = self._refused.get(pull.title, (pull.updated, 0.0))
        if updated == pull.updated and clock() < until:
            return
        self._refused.pop(pull.title, None)
        try:
            async with asyncio.timeout(MAX_SECONDS):
                await self._pull(pull, governed, grants)
        except RateLimited:
            raise
        except _ERRORS as error:
            log.warning("%s was not looked at: %s", pull.title, error or type(error).__name__)
            if isinstance(error, SourceRefused):
                self._refused[pull.title] = (pull.updated, clock() + REFUSED_AGAIN)
                await self._say_refused(pull, str(error))
        except Exception:  # one pull request's surprise must not end the others
            log.exception("%s could not be looked at", pull.title)

    async def _say_refused(self, pull: Pull, why: str) -> None:
        try:
            await self._forge.set_status(pull, check.refused(pull, why))
        except SourceError as error:
            log.warning("%s was not told: %s", pull.title, error)

    async def _pull(
        self, pull: Pull, governed: Governed, grants: list[tuple[str, SourceGrant]]
    ) -> None:
        try:
            proposals = await self._reader.proposals(pull, governed.policy, grants)
        except SourceRefused as error:
            if pull.title not in self._known:
                raise
            # what it proposed before may be rejected yet, however many files it has now
            proposals = Proposals(unreadable=(shown(str(error)),))
        gone = self._gone(pull, proposals)
        if not (proposals.agents or proposals.unreadable or gone):
            return
        found = await self._reports(pull, [*proposals.agents, *gone], governed)
        reports = found[: len(proposals.agents)]
        if pull.state != "closed":
            await self._tell(pull, reports, check.comment(proposals, reports, self._bridge.forge))

    async def _reports(
        self, pull: Pull, proposals: Sequence[Proposal], governed: Governed
    ) -> list[Report]:
        """Write what is said of each of these, and return what is known of it."""
        if not proposals:
            return []
        reviews = await self._forge.reviews(pull)
        try:
            hands = await self._forge.hands(pull)
        except SourceRefused as error:  # without them nobody approves, and who likes says no
            log.warning("%s: who had a hand in it is not known: %s", pull.title, error)
            hands = Hands()
        return [await self._proposal(pull, one, governed, reviews, hands) for one in proposals]

    def _gone(self, pull: Pull, proposals: Proposals) -> list[Proposal]:
        """Return what the pull request proposed earlier: it may be taken back, or rejected, yet."""
        now = {one.place: one for one in proposals.agents}
        known = {**self._known.pop(pull.title, {}), **now}
        while len(self._known) >= MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[pull.title] = known
        return [one for place, one in known.items() if place not in now][:MAX_AGENTS]

    async def _proposal(
        self,
        pull: Pull,
        proposal: Proposal,
        governed: Governed,
        reviews: Sequence[Review],
        hands: Hands,
    ) -> Report:
        standing = await self._standing(pull, proposal)
        counted = self._counted(pull, proposal, governed.policy, reviews, hands)
        written = await self._write(pull, proposal, governed.policy, standing, counted)
        if pull.state == "closed":
            return Report(proposal, standing, Opinion("Error"))
        now = self._bridge.clock()
        maps = await self._reader.config_maps(pull, proposal)
        case = Case(pull, proposal, standing, governed, hands, maps, now)
        opinion = await self._bridge.judge.opinion(case, written.nonces)
        return Report(proposal, standing, opinion, counted.ignored, written.troubles)

    async def _standing(self, pull: Pull, proposal: Proposal) -> Standing:
        agent = proposal.agent
        if self._bridge.records:
            return await self._bridge.records.standing(agent)
        try:
            old = await self._reader.agent(pull, pull.base, proposal.place)
        except BadInput:
            old = None
        return Standing(old.digest if old else "", old.dumped if old else None, known=False)

    def _counted(
        self,
        pull: Pull,
        proposal: Proposal,
        policy: Policy,
        reviews: Sequence[Review],
        hands: Hands,
    ) -> Counted:
        agent, now = proposal.agent, self._bridge.clock()
        tier = queries.tier_policy(policy, agent.namespace, agent.spec.risk_tier)
        if tier is None or not tier.quorum:
            return Counted((), ())
        key = self._bridge.key.fingerprint
        electorate = Electorate(policy, self._bridge.forge, key, tier, now)
        return acceptance.count(pull, reviews, hands, electorate)

    async def _write(
        self, pull: Pull, proposal: Proposal, policy: Policy, standing: Standing, counted: Counted
    ) -> Written:
        """Sign and push the words that are not written yet."""
        nonces: set[str] = set()
        troubles: list[str] = []
        contents = await self._contents(pull, proposal, counted.said)
        for content, said in contents.items():
            desk = Desk(self._bridge, pull, proposal, policy, standing, content)
            try:
                nonces |= await desk.write(said)
            except SourceError as error:
                troubles.append(shown(str(error)))
                log.warning("%s: reviews were not recorded: %s", pull.title, error)
        return Written(frozenset(nonces), tuple(troubles))

    async def _contents(
        self, pull: Pull, proposal: Proposal, said: Sequence[Said]
    ) -> dict[str, list[Said]]:
        """Return the words by the content that they are about: what the file was in that commit.

        Nobody takes back what they say of the same content in the same breath.
        """
        found: dict[str, list[Said]] = {}
        for one in said:
            commit = one.review.commit or pull.head  # of a no that the forge says not of what
            content = await self._reader.content(pull, commit, proposal.place)
            words = found.setdefault(content, [])
            approving = any(w.decision == "approve" and w.person == one.person for w in words)
            if not (one.decision == "revoke" and approving):
                words.append(one)
        found.pop("", None)
        return found

    async def _tell(self, pull: Pull, reports: Sequence[Report], text: str) -> None:
        """Say what is not said yet."""
        if len(self._told) > MAX_TOLD:
            self._told.clear()
        for report in reports:
            status = check.status(pull, report)
            if self._told.get((pull.title, status.context)) != (pull.head, status):
                await self._forge.set_status(pull, status)
                self._told[pull.title, status.context] = (pull.head, status)
        if self._told.get((pull.title, "")) != text:
            await self._forge.say(pull, text)
            self._told[pull.title, ""] = text


@dataclass(frozen=True, slots=True)
class Desk:
    """Where words on one content are signed."""

    bridge: Bridge
    pull: Pull
    proposal: Proposal
    policy: Policy
    standing: Standing
    content: str

    async def write(self, said: Sequence[Said]) -> set[str]:
        """Write what is due; return the nonces that stand there now. Raises SourceError."""
        url = self.proposal.place.grant.approvals
        ledger = self.bridge.ledger(url)
        recorded = await ledger.recorded(url, self.content, self.bridge.key.fingerprint)
        now = self.bridge.clock().astimezone(UTC).replace(microsecond=0)
        files: dict[str, bytes] = {}
        for one in said:
            for role in one.roles:
                nonces = self._nonce(one, role, one.decision), self._nonce(one, role, "approve")
                account = one.review.account.id
                if not self._idle(one) and acceptance.due(
                    one.decision, account, nonces, recorded, now
                ):
                    files[file_name(one.person, nonces[0])] = self._signed(one, role, now)
        if files:
            taking = any(one.decision != "approve" for one in said)
            room = MAX_FILES if taking else approvals.MAX_FILES - RESERVED
            await ledger.add(url, self.content, files, room=room, now=now)
            log.info("%s: %d reviews recorded", self.pull.title, len(files))
            recorded = await ledger.recorded(url, self.content, self.bridge.key.fingerprint)
        return {one.nonce for one in recorded}

    def _idle(self, said: Said) -> bool:
        """Whether there is nothing to approve: it serves already."""
        return said.decision == "approve" and self.content == self.standing.serving

    def _nonce(self, said: Said, role: str, decision: acceptance.Decision) -> str:
        return statement.nonce(self.bridge.forge, self.pull, said.review.id, role, decision)

    def _signed(self, said: Said, role: str, now: datetime) -> bytes:
        place, agent = self.proposal.place, self.proposal.agent
        tier = queries.tier_policy(self.policy, agent.namespace, agent.spec.risk_tier)
        ballot = Ballot(
            content=self.content,
            decision=said.decision,
            cluster=self.bridge.cluster,
            repository=place.grant.url,
            ref=place.grant.ref,
            path=place.path,
            environment=queries.environment(self.policy, place.namespace),
            namespace=place.namespace,
            predecessor=self.standing.serving,
            policy_digest=self.policy.digest,
            person=said.person,
            role=role,
            reason=f"{said.review.word} in {self.pull.title}, {digests.short(said.review.commit)}",
        )
        seen = Seen(self.bridge.forge, self.pull, said.review, now)
        valid = timedelta(seconds=seconds(tier.approval_max_age if tier else "1h"))
        if said.decision == "approve":
            valid -= max(now - said.review.at, timedelta(0))
        payload = statement.statement(ballot, seen, valid)
        return statement.signed(payload, self.bridge.key)
