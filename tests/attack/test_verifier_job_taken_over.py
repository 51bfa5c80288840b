"""Bytes that take a job of the verifier over find nothing worth having and leave nothing there."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Config
from interlock.verifier import landlock, seccomp, walls
from interlock.verifier.jobs import NOTHING, Jobs
from interlock.verifier.needs import Needs
from support import deeds

needs_landlock = pytest.mark.skipif(
    landlock.version() < landlock.SCOPES_SINCE,
    reason="this kernel has no Landlock of version 6 (Linux 6.12)",
)


def needing(home: Path) -> Needs:
    """What a job is given whose agent has a model in the registry."""
    registry = {"mlflow": "http://127.0.0.1:1", "passwordFile": str(home / "sources/password")}
    return Needs(config=Config.model_validate({"registries": {"default": registry}}))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies around a verifier: credentials that it needs, a token and a socket that it must
    not reach."""
    home = tmp_path_factory.mktemp("home")
    for name in ("sources/..1/password", "sources/other", "token/token", "socket/verifier.sock"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("secret")
    (home / "sources/password").symlink_to("..1/password")  # as Kubernetes mounts them
    return home


@pytest.fixture(scope="module")
async def jobs(home: Path) -> AsyncIterator[Jobs]:
    os.environ["INTERLOCK_TEST_TOKEN"] = "secret"
    jobs = Jobs(home / "state", work=deeds.MODULE)
    await jobs.start()
    del os.environ["INTERLOCK_TEST_TOKEN"]
    yield jobs
    await jobs.close()


async def done(
    jobs: Jobs, deed: str, agent: str = "line-4/press", given: Needs = NOTHING, **asked: Any
) -> Any:
    """What a job says that does a deed."""
    namespace, _, name = agent.partition("/")
    body = json.dumps({"name": deed, **asked}).encode()
    answer = await jobs.findings(namespace, name, body, given)
    assert answer.resolved, answer.body
    return json.loads(answer.body)


async def tried(
    jobs: Jobs, *tries: tuple[str, Path], agent: str = "line-4/press", given: Needs = NOTHING
) -> list[str]:
    """What became of each try of a job."""
    named = [(what, str(path)) for what, path in tries]
    found: list[str] = await done(jobs, "opens", agent, given, tries=named)
    return found


async def test_it_has_no_environment_and_no_descriptors(jobs: Jobs) -> None:
    told = await done(jobs, "tells")
    assert set(told["environment"]) <= {"PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    assert len(told["descriptors"]) == 4  # the standard three, and its channel


async def test_it_has_limits_and_no_privileges_to_gain(jobs: Jobs) -> None:
    told = await done(jobs, "tells")
    limits = told["limits"]
    assert walls.MEMORY < limits["DATA"] < 2 * walls.MEMORY
    assert walls.ADDRESSES < limits["AS"] < 2 * walls.ADDRESSES
    assert (limits["FSIZE"], limits["NOFILE"]) == (walls.FILE, walls.DESCRIPTORS)
    assert limits["CORE"] == 0
    assert 0 < limits["CPU"] <= 120 * walls.CPU_SHARE
    assert told["nice"] >= walls.NICENESS
    assert (told["dumpable"], told["noNewPrivileges"]) == (0, 1)


async def test_its_folder_is_its_own_and_goes_with_it(jobs: Jobs, home: Path) -> None:
    first, second = await asyncio.gather(done(jobs, "tells"), done(jobs, "tells"))
    assert first["folder"] != second["folder"]
    assert (first["temporary"], first["mode"]) == (first["folder"], 0o700)
    assert list((home / "state/rooms").iterdir()) == []


@needs_landlock
async def test_it_reaches_what_it_needs_and_nothing_else(jobs: Jobs, home: Path) -> None:
    waiting = asyncio.create_task(done(jobs, "waits", "line-5/other"))
    rooms = home / "state/rooms"
    while not (found := [*rooms.iterdir()] if rooms.exists() else []):
        await asyncio.sleep(0.01)
    kept = home / "state/kept"
    allowed = [("read", home / "sources/password"), ("write", Path("mine")), ("read", Path("mine"))]
    refused = [
        ("read", home / "sources/other"),
        ("list", home / "sources"),
        ("read", home / "token/token"),
        ("unlink", home / "socket/verifier.sock"),
        ("bind", home / "socket/mine.sock"),
        ("list", found[0]),
        ("write", found[0] / "yours"),
        ("list", kept),
        ("write", home / "sources/password"),
        ("read", Path("/proc/self/environ")),
        ("signal", Path(str(os.getpid()))),
        ("listen", Path("anywhere")),
    ]
    said = await tried(jobs, *allowed, *refused, given=needing(home))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert said[: len(allowed)] == ["done"] * len(allowed)
    assert dict(zip(refused, said[len(allowed) :], strict=True)) == dict.fromkeys(
        refused, "PermissionError"
    )


@needs_landlock
async def test_what_it_keeps_is_no_other_namespaces(jobs: Jobs, home: Path) -> None:
    kept = home / "state/kept"
    before = set(kept.iterdir()) if kept.exists() else set()
    await done(jobs, "answers", "team-a/one")
    (mine,) = set(kept.iterdir()) - before
    assert await tried(jobs, ("write", mine / "config"), agent="team-a/two") == ["done"]
    said = await tried(jobs, ("read", mine / "config"), ("write", mine / "x"), agent="team-b/one")
    assert said == ["PermissionError"] * 2


@needs_landlock
async def test_credentials_of_a_source_that_it_does_not_need_are_not_there(
    jobs: Jobs, home: Path
) -> None:
    password = ("read", home / "sources/password")
    assert await tried(jobs, password, given=needing(home)) == ["done"]
    assert await tried(jobs, password) == ["PermissionError"]


REACHES = ("look into", "read memory of", "trace", "take descriptors of", "signal")


@needs_landlock
async def test_it_reaches_into_no_other_process(jobs: Jobs) -> None:
    server = (await done(jobs, "tells"))["parent"]
    waiting = asyncio.create_task(done(jobs, "waits", "line-5/other"))
    children = Path(f"/proc/{server}/task/{server}/children")
    while not (found := children.read_text().split()):
        await asyncio.sleep(0.01)
    tries = [
        (reach, Path(str(who))) for reach in REACHES for who in (found[0], server, os.getpid())
    ]
    said = await tried(jobs, *tries)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert dict(zip(tries, said, strict=True)) == dict.fromkeys(tries, "PermissionError")


@pytest.mark.skipif(not seccomp.available(), reason="this machine has no seccomp filters")
@pytest.mark.parametrize("call", ["leave namespaces", "fork into a namespace", "use io_uring"])
async def test_it_may_not_call_what_no_job_needs(jobs: Jobs, call: str) -> None:
    assert await tried(jobs, (call, Path("unused"))) == ["PermissionError"]


async def test_what_it_leaves_to_later_jobs_is_about_its_content_alone(jobs: Jobs) -> None:
    about = {content: Needs(content=content) for content in ("this", "that")}
    await done(jobs, "answers", "team-c/one", about["this"], leave="lies")
    memory = {
        (agent, content): (await done(jobs, "tells", agent, about[content]))["memory"]
        for agent in ("team-c/one", "team-c/two", "team-d/one")
        for content in about
    }
    assert {place for place, said in memory.items() if said} == {("team-c/one", "this")}


async def test_a_process_that_it_leaves_behind_dies_with_it(jobs: Jobs) -> None:
    left = await done(jobs, "leaves")
    with pytest.raises(ProcessLookupError):
        os.kill(left, 0)
