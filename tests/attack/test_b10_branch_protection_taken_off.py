"""An administrator takes the protection off, merges, and puts it on again.

What a forge protects, and what lands on a branch, is no evidence. A merge brings a file; people
bring approvals, each under a signature of their own.
"""

from pathlib import Path

from interlock.api.values import Outcome
from interlock.evidence import approvals, authors
from interlock.gates.change_approval import evaluate
from support.facts import CONTENT, PATH, good_facts
from support.gitrepos import MAIN, Repo, mirror
from support.policies import good_policy
from support.signed import proofs
from support.sshkeys import write_private_key

MESSAGE = """Merge pull request #7 from line-4/new-model

Approved-by: quality-1 <quality-1@line-4.example>
Reviewed-by: ot-safety-1 <ot-safety-1@line-4.example>
Reviewed-on: https://git.example/line-4/agents/pulls/7
"""
REF = approvals.ref_of(CONTENT)


async def test_a_merge_that_says_that_it_was_approved_approves_nothing(tmp_path: Path) -> None:
    repo, mine = Repo(tmp_path / "remote.git"), mirror(tmp_path / "mirror.git")
    main = repo.commit({PATH: b"1"})
    side = repo.commit({PATH: b"2"}, ref="refs/heads/side", parents=(main,))
    key = write_private_key("quality-1", tmp_path / "key")
    merged = repo.commit({PATH: b"2"}, message=MESSAGE, parents=(main, side), key=key)
    repo.git("notes", "--ref=refs/notes/review", "add", "-m", "approved", merged)
    repo.git("tag", "-m", "approved by the change board", f"approved-{CONTENT[:10]}", merged)
    await mine.fetch(repo.url, {MAIN: MAIN, REF: REF})
    found, denied = await approvals.read(mine, CONTENT, proofs())
    assert (found, denied) == ([], [])
    change = await authors.change(mine, repo.url, MAIN, PATH, merged, main)
    result = evaluate(good_facts(approvals=found, change=change), good_policy())
    assert result.outcome is Outcome.WAIT


async def test_a_ref_of_approvals_that_is_no_signature_approves_nothing(tmp_path: Path) -> None:
    """Who may push every ref may push this one."""
    repo, mine = Repo(tmp_path / "remote.git"), mirror(tmp_path / "mirror.git")
    repo.commit({"quality-1.dsse.json": b'{"decision": "approve"}', "APPROVED": b""}, ref=REF)
    await mine.fetch(repo.url, {REF: REF})
    found, denied = await approvals.read(mine, CONTENT, proofs())
    assert found == []
    assert len(denied) == 2
    assert evaluate(good_facts(approvals=found), good_policy()).outcome is Outcome.WAIT
