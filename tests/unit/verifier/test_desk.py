"""What outlives a job is bounded, and stands for the very same question alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Config
from interlock.api.reasons import Reason
from interlock.evidence.wire import FindingsRequest
from interlock.policy import Policy
from interlock.policy.parse import parse
from interlock.verifier import desk as module
from interlock.verifier.desk import MAX_ANSWERS, MAX_POLICIES, REMEMBERED, Desk
from interlock.verifier.jobs import NOTHING, Answer, Jobs
from interlock.verifier.needs import Needs
from support import facts, policies


class Counting(Jobs):
    """Runs no job; answers with the number of the job that it would be."""

    def __init__(self) -> None:
        super().__init__(Path("unused"))
        self.given: list[Needs] = []
        self.resolved = True

    async def findings(
        self, namespace: str, name: str, body: bytes, needs: Needs = NOTHING
    ) -> Answer:
        """Count it."""
        self.given.append(needs)
        return Answer(self.resolved, str(len(self.given)).encode())

    async def governance(self, body: bytes, needs: Needs = NOTHING) -> Answer:
        """Count it."""
        return await self.findings("", "", body, needs)


class Case:
    """A desk, its jobs and its clock."""

    def __init__(self) -> None:
        self.jobs, self.now = Counting(), 0.0
        self.desk = Desk(Config(), self.jobs, lambda: self.now)

    async def ask(self, targets: dict[str, bytes] | None = None, **changes: Any) -> Answer:
        """Ask for findings; the answer is the number of the job."""
        asked = {
            "namespace": policies.NAMESPACE,
            "name": facts.NAME,
            "spec": facts.spec(),
            "targets": {
                name: data.decode() for name, data in (targets or policies.targets()).items()
            },
        } | changes
        body = json.dumps(asked).encode()
        return await self.desk.findings(FindingsRequest.model_validate_json(body), body)


@pytest.fixture
def case() -> Case:
    return Case()


async def test_the_same_question_asked_at_once_needs_no_second_job(case: Case) -> None:
    assert (await case.ask()).body == b"1"
    case.now = REMEMBERED
    assert (await case.ask()).body == b"1"
    case.now = REMEMBERED + 0.1
    assert (await case.ask()).body == b"2"


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"since": "a" * 40}, {"spec": facts.spec(port=1234)}], ids=str
)
async def test_any_other_question_is_asked(case: Case, change: dict[str, Any]) -> None:
    await case.ask()
    assert (await case.ask(**change)).body == b"2"


async def test_another_policy_or_revocation_is_another_question(case: Case) -> None:
    await case.ask()
    targets = policies.targets()
    targets["revocations.yaml"] += b"\n# one more\n"
    assert (await case.ask(targets)).body == b"2"


async def test_the_lack_of_an_answer_is_asked_again(case: Case) -> None:
    case.jobs.resolved = False
    await case.ask()
    assert (await case.ask()).body == b"2"


async def test_no_more_answers_are_kept_than_fit(case: Case) -> None:
    for number in range(MAX_ANSWERS + 1):
        await case.ask(name=f"agent-{number}")
    assert len(case.desk._answers) == MAX_ANSWERS
    assert (await case.ask(name="agent-0")).body != b"1"


async def test_governance_is_asked_each_time(case: Case) -> None:
    assert (await case.desk.governance(b"{}")).body == b"1"
    assert (await case.desk.governance(b"{}")).body == b"2"


async def test_a_policy_is_parsed_once_and_few_are_kept(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []

    def counted(targets: Mapping[str, bytes], version: int) -> Policy:
        parsed.append(version)
        return parse(targets, version)

    monkeypatch.setattr(module, "parse", counted)
    for number in range(3):
        await case.ask(name=f"agent-{number}")
    assert len(parsed) == 1
    for version in range(MAX_POLICIES):
        await case.ask(policies.targets(freezes=b"# %d\nfreezes: []" % version))
    assert len(parsed) == 1 + MAX_POLICIES
    await case.ask(name="again")
    assert len(parsed) == 2 + MAX_POLICIES


async def test_what_cannot_be_judged_needs_no_job(case: Case) -> None:
    for answer, word in (
        (await case.ask(policies.targets(trust=b"signers: 1")), "trust.yaml"),
        (await case.ask(spec={"image": 1}), "image"),
    ):
        said = json.loads(answer.body)
        assert (said["reason"], answer.resolved) == (Reason.INVALID, False)
        assert word in said["message"]
    assert case.jobs.given == []
