"""What is remembered from job to job is bounded, each agent's own, and read as a stranger's."""

import socket
import zlib

import pytest

from interlock.verifier import work as module
from interlock.verifier.frames import OUT_OF_MEMORY
from interlock.verifier.memories import Memories
from interlock.verifier.work import packed, unpacked, work

ITEMS = {"bundle": (1.5, "value")}


def test_an_agent_recalls_what_was_left_for_it_last() -> None:
    memories = Memories()
    memories.keep("a/x", b"first")
    memories.keep("a/x", b"second")
    assert memories.recall("a/x") == b"second"
    assert memories.recall("a/y") == b""


def test_what_was_not_used_for_longest_is_forgotten_first() -> None:
    memories = Memories(most=8)
    for agent in ("a", "b"):
        memories.keep(agent, bytes(4))
    memories.recall("a")
    memories.keep("c", bytes(3))
    assert [len(memories.recall(agent)) for agent in ("a", "b", "c")] == [4, 0, 3]
    memories.keep("a", bytes(5))
    assert [len(memories.recall(agent)) for agent in ("a", "c")] == [5, 3]


def test_a_memory_comes_back_as_it_was_left() -> None:
    assert unpacked(packed(ITEMS)) == ITEMS
    assert packed({}) == b""


@pytest.mark.parametrize(
    "memory",
    [
        b"",
        b"{}",
        zlib.compress(b"[]"),
        zlib.compress(b'{"a": 1}'),
        zlib.compress(bytes(1 << 28), 1)[:4096],
    ],
    ids=["nothing", "not packed", "a list", "no items", "a bomb"],
)
def test_what_no_job_would_leave_is_nothing(memory: bytes) -> None:
    assert unpacked(memory) == {}


def test_a_job_that_needs_too_much_ends_with_the_code_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_much(_: socket.socket) -> None:
        raise MemoryError

    monkeypatch.setattr(module, "begin", too_much)
    with socket.socket() as channel:
        assert work(channel) == OUT_OF_MEMORY
