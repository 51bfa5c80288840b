"""A job of the verifier that grows, loops, dies or babbles costs its own agent one sentence."""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Config
from interlock.evidence import wire
from interlock.evidence.wire import FindingsRequest
from interlock.policy.parse import parse
from interlock.verifier import frames, needs
from interlock.verifier import jobs as module
from interlock.verifier.children import Children
from interlock.verifier.jobs import MAX_JOBS, MAX_JOBS_OF_ONE, Answer, Jobs
from interlock.verifier.needs import Needs
from support import deeds, facts, policies

SHORT = 1.0


@pytest.fixture(scope="module")
async def hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Jobs]:
    """Jobs that have little time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GRACE", 0.1)
        jobs = Jobs(tmp_path_factory.mktemp("hasty"), deeds.MODULE, SHORT)
        await jobs.start()
        yield jobs
        await jobs.close()


@pytest.fixture(scope="module")
async def jobs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Jobs]:
    """Jobs with all the time that they have."""
    jobs = Jobs(tmp_path_factory.mktemp("state"), deeds.MODULE)
    await jobs.start()
    yield jobs
    await jobs.close()


async def do(jobs: Jobs, deed: str, agent: str = "line-4/press", **asked: Any) -> Answer:
    namespace, _, name = agent.partition("/")
    return await jobs.findings(namespace, name, json.dumps({"name": deed, **asked}).encode())


def sentence(answer: Answer, agent: str = "line-4/press") -> str:
    """Why there is no answer; the controller asks again."""
    assert not answer.resolved
    said = json.loads(answer.body)
    assert said["reason"] == "VerifierUnavailable"
    assert agent in said["message"]
    return str(said["message"])


@pytest.mark.parametrize(
    ("deed", "asked", "expected"),
    [
        ("eats", {}, "needed more memory than a job may have"),
        ("dies", {"signal": "SIGSEGV"}, "was ended by SIGSEGV"),
        ("dies", {"signal": "SIGKILL"}, "was ended by SIGKILL"),
        ("floods", {"bytes": wire.MAX_FINDINGS_BYTES + 1}, "said what no job says: a frame 4 of"),
        ("unheard of", {}, "gave no answer"),
    ],
    ids=["memory", "crash", "killed", "babble", "raises"],
)
async def test_its_end_is_a_sentence_and_the_next_job_answers(
    jobs: Jobs, deed: str, asked: dict[str, Any], expected: str
) -> None:
    bad, good = await asyncio.gather(do(jobs, deed, **asked), do(jobs, "answers", "b/b", say=1))
    assert expected in sentence(bad)
    assert good == Answer(resolved=True, body=b"1")
    assert (await do(jobs, "answers")).resolved


@pytest.mark.parametrize("deed", ["loops", "waits"])
async def test_an_endless_one_is_stopped_at_its_time(hasty: Jobs, deed: str) -> None:
    endless = asyncio.create_task(do(hasty, deed))
    assert (await do(hasty, "answers", "b/b")).resolved
    assert "and was stopped" in sentence(await endless)


async def test_a_source_whose_answer_never_ends_has_the_jobs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and there is always one more."""
    monkeypatch.setattr(module, "GRACE", 60.0)
    asked = asyncio.Event()

    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

    async with await asyncio.start_server(dribble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        jobs = Jobs(tmp_path, seconds=SHORT)
        try:
            await jobs.start()
            answer = await jobs.findings("line-4", "press", *dribbled(port))
        finally:
            await jobs.close()
    said = json.loads(answer.body)
    assert asked.is_set()
    assert said["reason"] == "SourceUnavailable", said
    assert "was not gathered within 1 s" in said["message"]


def dribbled(port: int) -> tuple[bytes, Needs]:
    """A request about an image in a registry on loopback, and what a job for it needs."""
    image = f"127.0.0.1:{port}/press@sha256:{'a' * 64}"
    request = FindingsRequest(
        namespace="line-4", name="press", spec=facts.spec(image=image, model=None), targets={}
    )
    oci = {"prefix": f"127.0.0.1:{port}/", "plainHTTP": True}
    config = Config.model_validate({"oci": [oci]})
    policy = parse(policies.targets(), 0)
    return request.model_dump_json().encode(), needs.of_findings(config, request, policy)


async def test_the_largest_policy_reaches_a_job(jobs: Jobs) -> None:
    largest = Needs(policy="x" * frames.MAX_POLICY)
    assert (await jobs.findings("line-4", "press", b'{"name": "answers"}', largest)).resolved


async def test_one_namespaces_endless_jobs_leave_room_for_the_others(jobs: Jobs) -> None:
    waiting = [asyncio.create_task(do(jobs, "waits")) for _ in range(2 * MAX_JOBS)]
    await asyncio.sleep(0)  # each has asked for its room
    assert MAX_JOBS_OF_ONE < MAX_JOBS
    assert (await do(jobs, "answers", "b/b")).resolved
    assert not any(task.done() for task in waiting)
    await ended(waiting)


async def test_governance_is_answered_while_every_agents_job_hangs(jobs: Jobs) -> None:
    waiting = [asyncio.create_task(do(jobs, "waits", f"team-{n}/a")) for n in range(2 * MAX_JOBS)]
    await asyncio.sleep(0)  # each has asked for its room
    assert (await jobs.governance(b'{"name": "answers"}')).resolved
    assert not any(task.done() for task in waiting)
    await ended(waiting)


async def test_whoever_finds_no_room_in_time_is_told(
    hasty: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_JOBS_OF_ONE", 0)
    answer = await do(hasty, "answers", "full/press")
    assert "had no room for full/press" in sentence(answer, "full/press")


async def test_a_dead_fork_server_takes_its_jobs_along_and_is_started_again(jobs: Jobs) -> None:
    parent = json.loads((await do(jobs, "tells")).body)["parent"]
    waiting = asyncio.create_task(do(jobs, "waits"))
    await do(jobs, "answers", "b/b")  # forked after it, and ended
    (job,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    orphan = os.pidfd_open(int(job))
    os.kill(parent, signal.SIGKILL)
    assert "ended with the process that forks jobs" in sentence(await waiting)
    assert select.select([orphan], [], [], 10) == ([orphan], [], [])
    os.close(orphan)
    told = json.loads((await do(jobs, "tells")).body)
    assert told["parent"] != parent


async def test_what_its_jobs_had_started_dies_with_a_fork_server(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.strays", str(tmp_path)),
        cwd=Path(__file__).parents[1],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    stray = Path(f"/proc/{int(await process.stdout.readline())}")
    outlived = stray.exists()
    process.stdin.close()
    assert await process.wait() == 0
    assert not outlived


async def test_a_job_whose_end_nobody_waits_for_any_more_still_ends() -> None:
    children = Children(deeds.MODULE)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = await children.fork(theirs)
        waiting = asyncio.create_task(children.kill(child))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert os.WTERMSIG(await children.kill(child)) == signal.SIGKILL
    await children.close()


async def test_what_a_killed_verifier_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "rooms" / "7").mkdir(parents=True)
    jobs = Jobs(tmp_path, deeds.MODULE)
    await jobs.start()
    await jobs.close()
    assert not (tmp_path / "rooms").exists()


async def ended(tasks: list[asyncio.Task[Answer]]) -> None:
    """Wait for the end of jobs that nobody waits for any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
