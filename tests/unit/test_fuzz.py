"""The fuzzers work: real inputs are read, and what is planted is found and made small."""

import json
from pathlib import Path
from random import Random
from time import process_time

import pytest
from click.testing import CliRunner

from fuzz import __main__ as command
from fuzz import harness
from fuzz.harness import Target, fuzz
from fuzz.mutate import mutated, smallest
from fuzz.targets import TARGETS

SEED = 7


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_reads_its_inputs_and_refuses_in_its_own_words(name: str) -> None:
    report = fuzz(TARGETS[name], 0.2, SEED)
    assert report.failure == ""
    assert report.cases > 0


def _planted(data: bytes) -> object:
    if b"[[[" in data:
        raise RecursionError("too deep")
    return json.loads(data)


PLANTED = Target("planted", lambda: [b'{"a": [1, 2, {"b": "c"}]}'], _planted, (ValueError,))


def test_what_is_planted_is_found_and_made_small() -> None:
    report = fuzz(PLANTED, 20, SEED)
    assert "RecursionError: too deep" in report.failure
    assert report.failing == b"[[["


def test_the_same_seed_gives_the_same_inputs() -> None:
    first, second = (
        [mutated(random, PLANTED.seeds(), is_json=True) for _ in range(200)]
        for random in (Random(SEED), Random(SEED))  # noqa: S311 - no secrets
    )
    assert first == second
    assert len(set(first)) > 150


def test_an_input_that_takes_too_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "CASE_SECONDS", 0.01)

    def slow(data: bytes) -> None:
        end = process_time() + 0.02
        while len(data) > 5 and process_time() < end:
            pass

    report = fuzz(Target("slow", lambda: [b"123456"], slow, (), is_json=False), 20, SEED)
    assert "Slow: a case took" in report.failure
    assert len(report.failing) == 6


def test_an_input_that_takes_too_much_memory_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([0, 0, 1, 300, 300, 300])
    monkeypatch.setattr(harness, "_peak", lambda: next(sizes))
    report = fuzz(Target("large", lambda: [b"1"], lambda _: None, (), is_json=False), 20, SEED)
    assert "Large: the process grew" in report.failure
    assert report.cases == 2


def test_an_input_that_ends_in_a_new_way_is_mutated_further() -> None:
    def deep(data: bytes) -> int:
        return len(data) // 8

    report = fuzz(Target("deep", lambda: [b"1" * 8], deep, (), is_json=False), 0.2, SEED)
    assert report.corpus > 1


def test_real_inputs_that_are_refused_end_the_run() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        fuzz(Target("bad", lambda: [b"x"], json.loads, (ValueError,)), 1, SEED)


def test_the_smallest_input_still_breaks() -> None:
    assert smallest(b"a" * 500 + b"boom" + b"c" * 300, lambda data: b"boom" in data) == b"boom"


def test_the_command_keeps_what_broke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "bundle", PLANTED)
    arguments = ["bundle", "--seconds", "20", "--seed", "7", "--keep", str(tmp_path), "-o", "json"]
    result = CliRunner().invoke(command.main, arguments)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failing"] == b"[[[".hex()
    assert (tmp_path / "planted.bin").read_bytes() == b"[[["
