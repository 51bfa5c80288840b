"""One job, from the child's side: behind its walls it gathers, answers, and is gone."""

import asyncio
import socket
import zlib

from pydantic import BaseModel, TypeAdapter

from interlock.api.facts import Unresolved
from interlock.evidence import wire
from interlock.evidence.findings import Gatherer
from interlock.evidence.hashing import MAX_REMEMBERED, HashCache
from interlock.evidence.wire import FindingsRequest
from interlock.policy import Policy
from interlock.verifier import frames
from interlock.verifier.frames import MAX_MEMORY, OUT_OF_MEMORY, Letter
from interlock.verifier.governance import Governance
from interlock.verifier.task import Job, begin

_ITEMS = TypeAdapter(dict[str, tuple[float, str]])
_MAX_ITEMS = 4 * MAX_REMEMBERED
"""Bytes of a memory when unpacked: characters in JSON."""


def work(channel: socket.socket) -> int:
    """Do the one job that is told over `channel`; return the exit code."""
    try:
        asyncio.run(_answer(channel, begin(channel)))
    except MemoryError:
        return OUT_OF_MEMORY
    return 0


async def _answer(channel: socket.socket, job: Job) -> None:
    config = job.room.config.model_copy(update={"state_dir": job.room.kept})
    if job.path == wire.GOVERNANCE:
        return _say(channel, await Governance(config, job.room.seconds).answer(job.body))
    cache = HashCache()
    cache.load(unpacked(job.memory))
    policy = Policy.model_validate_json(job.policy)
    gatherer = Gatherer(config, seconds=job.room.seconds, cache=cache, policy=policy)
    said = await gatherer.findings(FindingsRequest.model_validate_json(job.body))
    left = packed(cache.items())
    if left != job.memory and len(left) <= MAX_MEMORY:
        channel.sendall(frames.packed(Letter.MEMORY, left))
    _say(channel, said)
    await gatherer.close()


def packed(items: dict[str, tuple[float, str]]) -> bytes:
    """Return what a job leaves to the next one about the same content."""
    return zlib.compress(_ITEMS.dump_json(items), 1) if items else b""


def unpacked(memory: bytes) -> dict[str, tuple[float, str]]:
    """Return what a job left; nothing where it is not what a job would leave."""
    try:
        return _ITEMS.validate_json(zlib.decompressobj().decompress(memory, _MAX_ITEMS))
    except (ValueError, zlib.error):
        return {}


def _say(channel: socket.socket, said: BaseModel) -> None:
    letter = Letter.UNRESOLVED if isinstance(said, Unresolved) else Letter.ANSWER
    text = said.model_dump_json(by_alias=True, exclude_none=True)
    channel.sendall(frames.packed(letter, text.encode()))
