"""Streams are hashed in order, bounded, several at once; digests are remembered for a while."""

import asyncio
import hashlib
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.evidence import hashing
from interlock.evidence.hashing import Digester, HashCache, together


async def digested(pieces: list[bytes], *feeds: Callable[[bytes], object]) -> tuple[str, int]:
    digester = Digester(*feeds)
    for piece in pieces:
        await digester.update(piece)
    return await digester.hexdigest(), digester.size


@given(
    pieces=st.lists(st.binary(max_size=40), max_size=20),
    worthwhile=st.integers(0, 50),
    more=st.integers(0, 50),
)
def test_the_digest_is_that_of_all_pieces_in_order(
    pieces: list[bytes], worthwhile: int, more: int
) -> None:
    seen: list[bytes] = []
    whole = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "WORTHWHILE", worthwhile)
        patch.setattr(hashing, "BATCH", worthwhile + more)
        for feeds in ((), (seen.append,)):
            found = asyncio.run(digested(pieces, *feeds))
            assert found == (hashlib.sha256(whole).hexdigest(), len(whole))
    assert seen == pieces


async def test_bytes_are_looked_into_on_other_threads_than_the_loops() -> None:
    threads: set[threading.Thread] = set()
    await digested([b"a", b"b"], lambda _: threads.add(threading.current_thread()))
    assert threads
    assert threading.current_thread() not in threads


async def test_who_reads_faster_than_hashing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "BATCH", 10)
    monkeypatch.setattr(hashing, "WORTHWHILE", 1)
    go = threading.Event()
    digester = Digester(lambda _: go.wait(30))
    await digester.update(b"a" * 10)  # is being hashed
    await digester.update(b"b" * 9)  # may wait
    third = asyncio.create_task(digester.update(b"c"))
    await asyncio.wait([third], timeout=0.05)
    assert not third.done()
    go.set()
    await third
    whole = b"a" * 10 + b"b" * 9 + b"c"
    assert await digester.hexdigest() == hashlib.sha256(whole).hexdigest()


async def test_what_a_reader_raises_ends_the_stream() -> None:
    def fails(_: bytes) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await digested([b"a"], fails)


async def test_so_many_at_a_time_and_no_more() -> None:
    running, most = 0, 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item

    assert sorted(await together(range(20), work, most=3)) == list(range(20))
    assert most == 3


async def test_the_first_error_ends_the_others() -> None:
    ended: list[int] = []

    async def work(item: int) -> None:
        if item == 2:
            raise ValueError("no")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    with pytest.raises(ValueError, match="no"):
        await together(range(9), work, most=4)
    assert sorted(ended) == [0, 1, 3]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_put_is_known_for_so_long() -> None:
    clock = Clock()
    cache = HashCache(clock)
    cache.put("a", "text")
    clock.now += 60
    assert cache.get("a", 60) == "text"
    assert cache.get("a", 59) is None
    assert cache.get("b", 60) is None


def test_what_comes_from_the_future_is_not_known() -> None:
    clock = Clock()
    cache = HashCache(clock)
    cache.load({"a": (clock.now + 1, "text")})
    assert cache.get("a", 60) is None


def test_a_cache_goes_from_one_job_to_the_next_as_plain_values() -> None:
    clock = Clock()
    first, second = HashCache(clock), HashCache(clock)
    first.put("a", "text")
    second.load(first.items())
    assert second.get("a", 60) == "text"
    assert second.items() == {"a": (clock.now, "text")}


def test_a_cache_has_room_for_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MAX_REMEMBERED", 10)
    cache = HashCache(Clock())
    for key in "abc":
        cache.put(key, "1234")
    assert list(cache.items()) == ["b", "c"]
    cache.put("b", "5678")
    cache.put("d", "1234")
    assert list(cache.items()) == ["b", "d"]
    cache.put("e", "x" * 10)
    assert cache.items() == {}
