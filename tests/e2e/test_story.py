"""The demo's story, asserted: one run on real programs, one test a step.

Where the node can run, pods run, and traffic flows all the time: a step that loses a request does
not hold, unless it is a cut. Where Docker Engine can run, the scans are the real Trivy's.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from interlock_sandbox import docker
from interlock_sandbox.demo import profile
from interlock_sandbox.demo.steps import steps, vulnerable_image_is_blocked
from interlock_sandbox.docker import DockerError
from interlock_sandbox.node.needs import NodeError

LIMIT_SECONDS = 900
try:
    profile.can_run_node()
except NodeError:
    PROFILE = profile.CONTROL_PLANE
else:
    PROFILE = profile.NODE
STEPS = steps(PROFILE)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    asked = ("-o", "json", "--profile", PROFILE.name)
    done = subprocess.run(
        (sys.executable, "-m", "interlock_sandbox.demo", *asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    last = done.stdout.rstrip().rpartition("\n")[2]
    assert last.startswith("["), done.stdout[-6000:] + done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(last)
    if done.returncode:
        print(done.stdout[-12000:])
    return found


@pytest.mark.parametrize(
    ("number", "title"),
    [(number, (step.__doc__ or "").strip()) for number, step in enumerate(STEPS, start=1)],
    ids=[step.__name__ for step in STEPS],
)
def test_step_of_the_story_holds(rows: list[dict[str, Any]], number: int, title: str) -> None:
    told = [row for row in rows if row["number"] == number]
    assert told, f"the story ended before step {number}: {title}"
    assert told[0]["held"], told[0]["remark"]


def test_the_finding_is_real_where_an_engine_can_run(rows: list[dict[str, Any]]) -> None:
    try:
        docker.check()
    except DockerError as error:
        pytest.skip(str(error))
    (row,) = [row for row in rows if row["number"] == STEPS.index(vulnerable_image_is_blocked) + 1]
    assert row["remark"].endswith("found by Trivy in a container")
