"""What a job and the verifier say to each other: a letter, a length, and bytes.

Nothing in it is parsed beyond that: what a job says may have been written by what it parsed.
"""

import asyncio
import socket
import struct
from enum import IntEnum

MAX_TASK = 1024 * 1024
MAX_MEMORY = 4 * 1024 * 1024
"""Bytes that a job may leave to the next one about the same content."""
MAX_POLICY = 4 * 1024 * 1024
"""Bytes of a policy as JSON: its targets are text, and each character of it may be escaped."""
OUT_OF_MEMORY = 12
"""Exit code of a job that needed more than it may have."""
_HEAD = struct.Struct(">BI")


class Letter(IntEnum):
    """What a frame holds."""

    TASK = 1
    """To the job: which work, where, for how long, with what of the configuration."""
    BODY = 2
    """To the job: the request."""
    MEMORY = 3
    """To the job: what the last one about the same content left; from the job: what it leaves."""
    ANSWER = 4
    """From the job, its last: what was asked for."""
    UNRESOLVED = 5
    """From the job, its last: why there is no answer."""
    POLICY = 6
    """To the job: what policy says about its agent, as JSON; empty where nothing concerns it."""


class FrameError(Exception):
    """The other side does not keep to the form."""


class Gone(Exception):
    """The other side ended before it had said all."""


def packed(letter: Letter, data: bytes) -> bytes:
    """Return a frame."""
    return _HEAD.pack(letter, len(data)) + data


async def read(stream: asyncio.StreamReader, limits: dict[Letter, int]) -> tuple[Letter, bytes]:
    """Return the next frame, if it is one of these. Raises FrameError, Gone, OSError."""
    try:
        letter, size = _head(await stream.readexactly(_HEAD.size), limits)
        return letter, await stream.readexactly(size)
    except asyncio.IncompleteReadError:
        raise Gone from None


def receive(channel: socket.socket, letter: Letter, limit: int) -> bytes:
    """Return the next frame, which must be this. Raises FrameError, Gone, OSError."""
    _, size = _head(_exactly(channel, _HEAD.size), {letter: limit})
    return _exactly(channel, size)


def _head(data: bytes, limits: dict[Letter, int]) -> tuple[Letter, int]:
    number, size = _HEAD.unpack(data)
    letter = next((each for each in limits if each == number), None)
    if letter is None or size > limits[letter]:
        raise FrameError(f"a frame {number} of {size} bytes")
    return letter, size


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = channel.recv(min(size - len(data), 1 << 20))
        if not chunk:
            raise Gone
        data += chunk
    return bytes(data)
