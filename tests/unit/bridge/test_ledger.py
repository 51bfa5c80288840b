"""What the bridge knows of what it wrote: its own signature, and nothing that others put there."""

import base64
import json
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest

from interlock.bridge.ledger import Ledger
from interlock.evidence import approvals
from interlock.evidence.git import GitRefused, GitUnavailable
from support import facts, gitrepos, policies
from support.forgetown import START
from support.sshkeys import by_ed25519, pae, statement

REF = approvals.ref_of(facts.CONTENT)
BRIDGE = policies.fingerprint("bridge")


def word(signer: str = "bridge", namespace: str = approvals.FORGE_NAMESPACE, **bent: Any) -> bytes:
    said = statement("quality-1", "quality", nonce="n" * 32, forge={"account": 11})
    payload = json.dumps(said | bent).encode()
    armored = by_ed25519(policies.ssh_key(signer), pae(payload), namespace=namespace)
    signature = {"sig": base64.b64encode(armored.encode()).decode()}
    body = {"payload": base64.b64encode(payload).decode(), "signatures": [signature]}
    return json.dumps({"payloadType": "application/vnd.in-toto+json", **body}).encode()


@pytest.fixture
def repo(tmp_path: Path) -> gitrepos.Repo:
    return gitrepos.Repo(tmp_path / "approvals.git")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.git", allow_file=True)


async def test_our_own_words_are_known(repo: gitrepos.Repo, ledger: Ledger) -> None:
    repo.commit({"a.json": word()}, ref=REF)
    (found,) = await ledger.recorded(repo.url, facts.CONTENT, BRIDGE)
    assert (found.account, found.nonce, found.decision) == (11, "n" * 32, "approve")


@pytest.mark.parametrize(
    "data",
    [
        word("quality-1"),
        word(namespace=approvals.NAMESPACE),
        word(subject=[{"name": "agent-content", "digest": {"sha256": "0" * 64}}]),
        word(predicate={}),
        word(predicate=[]),
        b"",
        b"\xff",
        b"[" * 10_000,
        b'{"payload": 7}',
        b'{"payload": "", "signatures": []}',
    ],
)
async def test_what_others_put_there_is_nothing_to_us(
    data: bytes, repo: gitrepos.Repo, ledger: Ledger
) -> None:
    repo.commit({"quality-1.json": data}, ref=REF)
    assert await ledger.recorded(repo.url, facts.CONTENT, BRIDGE) == []


async def test_where_nobody_wrote_nothing_is_known(repo: gitrepos.Repo, ledger: Ledger) -> None:
    assert await ledger.recorded(repo.url, facts.CONTENT, BRIDGE) == []


async def test_files_are_added_and_none_is_lost(repo: gitrepos.Repo, ledger: Ledger) -> None:
    repo.commit({"other.json": b"{}"}, ref=REF)
    new = {"b.json": b"b", "a.json": b"a"}
    commit = await ledger.add(repo.url, facts.CONTENT, new, room=64, now=START)
    assert repo.git("rev-parse", REF) == commit
    names = repo.git("ls-tree", "--name-only", REF).split()
    assert names == ["a.json", "b.json", "other.json"]
    assert repo.git("log", "--format=%an %ae", "-1", REF).startswith("interlock-forge-bridge")


async def test_the_first_word_makes_the_ref(repo: gitrepos.Repo, ledger: Ledger) -> None:
    await ledger.add(repo.url, facts.CONTENT, {"a.json": b"a"}, room=64, now=START)
    assert repo.git("show", f"{REF}:a.json") == "a"


async def test_a_full_ref_is_refused(repo: gitrepos.Repo, ledger: Ledger) -> None:
    repo.commit({f"{n}": b"" for n in range(64)}, ref=REF)
    with pytest.raises(GitRefused, match="64 approvals of this content"):
        await ledger.add(repo.url, facts.CONTENT, {"a.json": b"a"}, room=64, now=START)


async def test_a_server_that_takes_no_push_is_said(repo: gitrepos.Repo, ledger: Ledger) -> None:
    hook = repo.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho locked >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitUnavailable, match="did not take the reviews"):
        await ledger.add(repo.url, facts.CONTENT, {"a.json": b"a"}, room=64, now=START)
    with pytest.raises(CalledProcessError):
        repo.git("rev-parse", "--verify", "--quiet", REF)


async def test_a_push_of_somebody_else_in_between_is_tried_again(
    repo: gitrepos.Repo, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = ledger._commit
    raced: list[str] = []

    async def race(*args: Any) -> str:
        made = await commit(*args)
        if not raced:
            raced.append(repo.commit({"first.json": b"{}"}, ref=REF))
        return made

    monkeypatch.setattr(ledger, "_commit", race)
    await ledger.add(repo.url, facts.CONTENT, {"a.json": b"a"}, room=64, now=START)
    assert repo.git("ls-tree", "--name-only", REF).split() == ["a.json", "first.json"]


async def test_what_a_server_lost_is_known_and_put_back(
    repo: gitrepos.Repo, ledger: Ledger
) -> None:
    repo.commit({"a.json": word(), "b.json": b"b"}, ref=REF)
    await ledger.recorded(repo.url, facts.CONTENT, BRIDGE)
    repo.git("update-ref", "-d", REF)
    assert len(await ledger.recorded(repo.url, facts.CONTENT, BRIDGE)) == 1
    repo.commit({"b.json": b"another"}, ref=REF, parents=())
    assert len(await ledger.recorded(repo.url, facts.CONTENT, BRIDGE)) == 1
    await ledger.add(repo.url, facts.CONTENT, {"c.json": b"c"}, room=64, now=START)
    assert repo.git("show", f"{REF}:b.json") == "another"
    names = repo.git("ls-tree", "--name-only", REF).split()
    assert [name[:6] for name in names] == ["a.json", "b.json", "b.json", "c.json"]
    assert len(await ledger.recorded(repo.url, facts.CONTENT, BRIDGE)) == 1


async def test_nobody_keeps_words_out_by_odd_entries(repo: gitrepos.Repo, ledger: Ledger) -> None:
    folder = repo.tree(("100644", "x", repo.blob(b"x")))
    link = repo.blob(b"elsewhere")
    odd = (("040000", "folder", folder), ("160000", "module", "ab" * 20), ("120000", "l", link))
    repo.commit_tree(repo.tree(*odd), ref=REF)
    await ledger.add(repo.url, facts.CONTENT, {"no.json": b"no"}, room=64, now=START)
    assert repo.git("ls-tree", "--name-only", REF).split() == ["folder", "l", "module", "no.json"]
