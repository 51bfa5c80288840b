"""The policy in force, as the verifier verified it; and what it says of accounts at a forge."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from interlock.api.facts import ForgeAccount, Involved, Unresolved
from interlock.api.kinds.base import seconds
from interlock.bridge.port import Hands
from interlock.evidence.http import SourceUnavailable
from interlock.evidence.verifierclient import VerifierClient
from interlock.evidence.wire import GovernanceAnswer
from interlock.policy import Policy, queries
from interlock.policy.model import Person, TierPolicy
from interlock.policy.parse import PolicyError, parse


@dataclass(frozen=True, slots=True)
class Governed:
    """One verified state of governance."""

    policy: Policy
    targets: Mapping[str, bytes]


class Governance:
    """Asks for governance, and takes nothing older than what it saw."""

    def __init__(self, verifier: VerifierClient) -> None:
        self._verifier = verifier
        self._metadata: dict[str, str] = {}

    async def now(self) -> Governed:
        """Return the policy that is in force now. Raises SourceUnavailable: then none is."""
        said = await self._verifier.governance({"metadata": self._metadata})
        if isinstance(said, Unresolved):
            raise SourceUnavailable(said.message)
        try:
            answer = GovernanceAnswer.model_validate_json(said)
            targets = {name: text.encode() for name, text in answer.targets.items()}
            policy = parse(targets, answer.versions["revocations"])
        except (ValidationError, PolicyError, KeyError) as error:
            raise SourceUnavailable(f"governance was refused: {error}") from None
        self._metadata = answer.metadata
        return Governed(policy, targets)


@dataclass(frozen=True, slots=True)
class Electorate:
    """Whose word counts for one agent, as one forge tells people apart."""

    policy: Policy
    forge: str
    key: str
    """Fingerprint of the bridge's key: governance says for which forge it speaks."""
    tier: TierPolicy
    now: datetime

    @property
    def asked(self) -> frozenset[str]:
        """The roles that the tier's quorum asks for."""
        return frozenset(slot.role for slot in self.tier.quorum)

    def outlived(self, given: datetime) -> bool:
        """Whether an approval that was given then holds no more."""
        return self.now - given >= timedelta(seconds=seconds(self.tier.approval_max_age))

    def person(self, account: int) -> Person | None:
        """Return whose account this is now."""
        if account < 1:
            return None
        named = ForgeAccount(forge=self.forge, id=account)
        return queries.person_of_account(self.policy, named, self.key, self.now)

    def touched(self, hands: Hands) -> frozenset[str]:
        """Return the persons whose hands were on the change; validity is not asked."""
        found = {
            person.id
            for person in self.policy.people.people
            for each in person.accounts
            if each.forge == self.forge and each.id in hands.accounts
        }
        for mail in hands.emails:
            author = queries.person_involved(self.policy, Involved(kind="author", id=mail))
            found |= {author.id} if author else set()
        return frozenset(found)
