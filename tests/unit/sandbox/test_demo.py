"""The demo's steps are those that README.md lists, and its table says what callers met."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from interlock_sandbox import docker
from interlock_sandbox.demo import pickles, profile, show, traffic, trivy
from interlock_sandbox.demo.load import Answer, Load, Stream
from interlock_sandbox.demo.steps import CUTS, steps
from interlock_sandbox.docker import DockerError
from interlock_sandbox.node.needs import NodeError

README = Path(__file__).parents[3] / "README.md"


def met(answers: list[Answer], streams: list[Stream]) -> Load:
    """What callers met; nobody is asked."""
    load = Load("192.0.2.1")
    load._answers, load._streams = answers, streams
    return load


def move(kind: str, left: str, to: str, at: str, ended: str) -> dict[str, Any]:
    def of(revision: str) -> str:
        return revision if revision == "none" else f"press-{revision}"

    spec = {"type": kind, "from": of(left), "to": of(to), "at": at}
    return {"spec": spec, "status": {"end": {"outcome": "Committed", "at": ended}}}


def second(number: float) -> str:
    return f"1970-01-01T00:00:{number:09.6f}+00:00"


def test_readme_lists_the_steps_and_marks_those_that_need_pods() -> None:
    listed = re.findall(r"^\d+\. (●?)", README.read_text(), re.MULTILINE)
    everywhere = steps(profile.CONTROL_PLANE)
    assert ["●" if step not in everywhere else "" for step in steps(profile.NODE)] == listed


def test_only_cuts_may_leave_callers_without_an_answer() -> None:
    assert sorted(step.__name__ for step in CUTS) == [
        "quarantine_keeps_evidence",
        "revoked_signer_is_cut",
    ]


def test_where_the_node_cannot_run_the_demo_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot() -> None:
        raise NodeError("no runc")

    monkeypatch.setattr(profile, "can_run_node", cannot)
    assert profile.choose(None) == (profile.CONTROL_PLANE, "no runc")
    with pytest.raises(NodeError):
        profile.choose("node")


def test_where_docker_cannot_run_the_demo_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot() -> None:
        raise DockerError("no dockerd")

    monkeypatch.setattr(docker, "check", cannot)
    with trivy.engine(trivy.prepare()) as (address, why_not):
        assert (address, why_not) == ("", "no dockerd")
    assert "kept reports" in trivy.told(why_not)
    assert "no dockerd" in trivy.told(why_not)
    assert "the real Trivy" in trivy.told("")


def test_the_pickle_of_the_story_would_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    name = pickles.hide(tmp_path, mark)
    assert not mark.exists()
    assert pickle.loads((tmp_path / name).read_bytes()) == 0  # noqa: S301 - our own, a `touch`
    assert mark.exists()


def test_requests_count_from_the_moment_on_and_failures_with_them() -> None:
    answers = [Answer(1, "aa"), Answer(2, "aa"), Answer(3, "", "refused"), Answer(4, "bb")]
    load = met(answers, [])
    assert traffic.told(load, 2) == "requests answered by aa 1, bb 1; without an answer 1"


def test_one_request_without_an_answer_is_too_many() -> None:
    load = met([Answer(1, "aa"), Answer(2, "", "refused"), Answer(3, "aa")], [])
    traffic.hold_none_lost(load, since=2.5)
    with pytest.raises(show.Unheld, match=r"1 without.*refused"):
        traffic.hold_none_lost(load, since=1)


def test_the_table_tells_the_last_answer_and_line_after_each_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = [
        move("Promotion", "none", "aa", second(1), second(1.01)),
        move("Promotion", "aa", "bb", second(5), second(5.02)),
        move("Rollback", "bb", "aa", second(8), second(8.03)),
    ]
    answers = [Answer(5.1, "aa"), Answer(5.2, "bb"), Answer(9, "aa")]
    load = met(answers, [Stream("aa", 2, 6), Stream("bb", 6.1, 8.5)])
    traffic.table(load, records)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert rows == [
        ["Promotion", "aa", "→", "bb", "20", "100", "1000"],
        ["Rollback", "bb", "→", "aa", "30", "-", "500"],
    ]
