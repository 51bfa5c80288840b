"""What a job says is taken by its letter and length alone."""

import asyncio
import socket

import pytest

from interlock.verifier import frames
from interlock.verifier.frames import FrameError, Gone, Letter

LIMITS = {Letter.ANSWER: 5, Letter.MEMORY: 2}


def stream(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def test_frames_come_one_after_the_other() -> None:
    said = stream(frames.packed(Letter.MEMORY, b"m") + frames.packed(Letter.ANSWER, b"12345"))
    assert await frames.read(said, LIMITS) == (Letter.MEMORY, b"m")
    assert await frames.read(said, LIMITS) == (Letter.ANSWER, b"12345")


@pytest.mark.parametrize(
    "data",
    [
        frames.packed(Letter.ANSWER, b"123456"),
        frames.packed(Letter.MEMORY, b"123"),
        frames.packed(Letter.TASK, b""),
        b"\xff\x00\x00\x00\x00",
    ],
)
async def test_what_is_too_long_or_not_its_to_say_is_refused_unread(data: bytes) -> None:
    with pytest.raises(FrameError):
        await frames.read(stream(data), LIMITS)


@pytest.mark.parametrize("data", [b"", b"\x04", frames.packed(Letter.ANSWER, b"12345")[:-1]])
async def test_an_end_within_a_frame_is_an_end(data: bytes) -> None:
    with pytest.raises(Gone):
        await frames.read(stream(data), LIMITS)


def test_a_job_takes_the_frames_that_it_expects() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frames.packed(Letter.TASK, b"t") + frames.packed(Letter.BODY, b"b"))
        assert frames.receive(theirs, Letter.TASK, 1) == b"t"
        with pytest.raises(FrameError):
            frames.receive(theirs, Letter.TASK, 1)
        ours.close()
        with pytest.raises(Gone):
            frames.receive(theirs, Letter.TASK, 1)
