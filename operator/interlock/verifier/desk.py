"""Takes requests: says what one needs, has a job do it, and answers what was asked just now.

Parsed policies and answers are all that outlives a job here. Each lies under the digest of what was
asked, made here: whatever a job says stands for the very same question and for no other.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from interlock.api.config import Config
from interlock.api.reasons import Reason
from interlock.evidence.wire import FindingsRequest
from interlock.policy import Policy
from interlock.policy.parse import PolicyError, parse
from interlock.verifier import needs
from interlock.verifier.jobs import Answer, Jobs

REMEMBERED = 2.0
"""Seconds that an answer is given again: to who lost a race, or judges for another purpose too."""
MAX_ANSWERS = 64
MAX_POLICIES = 2
"""The one in force, and the one that a controller still judges by."""


class Desk:
    """Answers for one configuration. Its methods never raise for what a job does."""

    def __init__(
        self, config: Config, jobs: Jobs, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._jobs = jobs
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, Answer]] = OrderedDict()
        self._policies: OrderedDict[str, Policy] = OrderedDict()
        self._parsing = asyncio.Lock()

    async def findings(self, request: FindingsRequest, body: bytes) -> Answer:
        """Return what the world says of an agent, or why it could not be asked."""
        question = hashlib.sha256(body).hexdigest()
        if known := self._known(question):
            return known
        agent = f"{request.namespace}/{request.name}"
        try:
            policy = await self._policy(request.targets)
            given = needs.of_findings(self._config, request, policy)
        except (PolicyError, ValidationError) as error:
            return Answer.unresolved(Reason.INVALID, f"{agent} cannot be judged: {error}")
        answer = await self._jobs.findings(request.namespace, request.name, body, given)
        if answer.resolved:
            self._answers[question] = (self._clock(), answer)
            self._forget()
        return answer

    async def governance(self, body: bytes) -> Answer:
        """Return what governance says, or why it could not be asked."""
        return await self._jobs.governance(body, needs.of_governance(self._config))

    async def close(self) -> None:
        """End all jobs."""
        await self._jobs.close()

    def _known(self, question: str) -> Answer | None:
        self._forget()
        return self._answers[question][1] if question in self._answers else None

    def _forget(self) -> None:
        """Forget the oldest answers: whose time is over, and those that are too many."""
        while self._answers:
            at, _ = next(iter(self._answers.values()))
            if len(self._answers) <= MAX_ANSWERS and self._clock() - at <= REMEMBERED:
                break
            self._answers.popitem(last=False)

    async def _policy(self, targets: Mapping[str, str]) -> Policy:
        """Return a policy, parsed once. Raises PolicyError."""
        data = {name: text.encode() for name, text in targets.items()}
        digest = hashlib.sha256()
        for name in sorted(data):
            for part in (name.encode(), data[name]):
                digest.update(len(part).to_bytes(8) + part)
        key = digest.hexdigest()
        async with self._parsing:
            if key not in self._policies:
                self._policies[key] = await asyncio.to_thread(parse, data, 0)
            self._policies.move_to_end(key)
            while len(self._policies) > MAX_POLICIES:
                self._policies.popitem(last=False)
            return self._policies[key]
