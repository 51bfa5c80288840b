"""Reads a model volume's layer as it streams by, and believes only one form of it.

What the pod mounts is what containerd unpacks, so a tar that two readers could read differently
must not exist: each entry's header has to be, byte for byte, the one that follows from its path
and size. Links, devices, times, owners, hidden names and trailing data are refused by that alone.
`tarfile` makes the expected header; its reader is too forgiving to be used here.
"""

import tarfile
from collections.abc import AsyncIterator

from interlock.api.digests import ModelFile
from interlock.evidence.hashing import Digester
from interlock.evidence.http import SourceRefused, shown
from interlock.evidence.modeltree import Tally

BLOCK = tarfile.BLOCKSIZE
MAX_EXTENDED_BYTES = 8 * 1024
MAX_TRAILING_BYTES = 64 * 1024
"""Writers fill the last record with zeros; more of them would only cost us time."""
MODE = 0o444
_PUBLISH = "Make the model's volume with `interlock-pipeline publish`."


def header(path: str, size: int) -> bytes:
    """Return the only header that a file of this path and size may have (POSIX pax)."""
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = size, MODE
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


async def read_layer(
    chunks: AsyncIterator[bytes], digest: str, size: int, where: str
) -> list[ModelFile]:
    """Return the files of an uncompressed layer. Raises SourceRefused unless it has `digest`."""
    stream, tally = _Stream(chunks, size, where), Tally(where)
    while (found := await _entry(stream)) is not None:
        tally.expect(found[0])
        if tally.files and found[0].encode() <= tally.files[-1].path.encode():
            raise _refused(where, f"{shown(found[0], 120)!r} is out of order")
        tally.files.append(await _file(stream, *found, tally))
    await stream.finish(digest)
    return tally.files


async def _file(stream: "_Stream", path: str, size: int, tally: Tally) -> ModelFile:
    digester, left = Digester(), size
    while left:
        piece = await stream.some(left)
        tally.read(len(piece))
        await digester.update(piece)
        left -= len(piece)
    if any(await stream.exactly(-size % BLOCK)):
        raise _refused(stream.where, f"there are bytes behind {shown(path, 120)!r}")
    return ModelFile(path, size, await digester.hexdigest())


async def _entry(stream: "_Stream") -> tuple[str, int] | None:
    """Return path and size of the next file, None at the end of the archive."""
    block = await stream.exactly(BLOCK)
    if not any(block):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        raw, path, size = block, info.name, info.size
        if info.type == tarfile.XHDTYPE:
            records = await stream.exactly(_extended(info.size))
            main = await stream.exactly(BLOCK)
            info = tarfile.TarInfo.frombuf(main, "utf-8", "replace")
            said = _records(records[: records.rstrip(b"\0").rfind(b"\n") + 1])
            raw, path = block + records + main, said.get("path", info.name)
            size = int(said.get("size", info.size))
        same = size >= 0 and raw == header(path, size)
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        raise _refused(stream.where, f"an entry cannot be read ({shown(str(error), 80)})") from None
    if not same:
        found = f"{shown(path, 120)!r} is not a plain file of mode 0444, owner 0 and time 0"
        raise _refused(stream.where, found)
    return path, size


def _extended(size: int) -> int:
    if not 0 < size <= MAX_EXTENDED_BYTES:
        raise ValueError(f"an extended header of {size} bytes")
    return size + -size % BLOCK


def _records(data: bytes) -> dict[str, str]:
    """Return pax records (`<length> <key>=<value>\\n`, POSIX.1-2001)."""
    records: dict[str, str] = {}
    while data:
        length, _, _ = data.partition(b" ")
        if int(length) <= len(length):
            raise ValueError("an extended header with a record of no length")
        record, data = data[: int(length)], data[int(length) :]
        key, _, value = record[len(length) + 1 : -1].decode().partition("=")
        records[key] = value
    return records


class _Stream:
    """The layer's bytes in the pieces that a reader asks for; hashes all that passes."""

    def __init__(self, chunks: AsyncIterator[bytes], size: int, where: str) -> None:
        self.where = where
        self._chunks = chunks
        self._left = size
        self._buffer = memoryview(b"")
        self._digester = Digester()

    async def some(self, limit: int) -> memoryview:
        """Return at least one byte and at most `limit`."""
        if not self._buffer:
            self._buffer = await self._next()
            if not self._buffer:
                raise _refused(self.where, "the layer ends in the middle of an entry")
        piece, self._buffer = self._buffer[:limit], self._buffer[limit:]
        return piece

    async def exactly(self, size: int) -> bytes:
        """Return so many bytes."""
        pieces = bytearray()
        while len(pieces) < size:
            pieces += await self.some(size - len(pieces))
        return bytes(pieces)

    async def finish(self, digest: str) -> None:
        """Take the rest, which must be zeros, and compare length and digest."""
        if self._left > MAX_TRAILING_BYTES:
            raise _refused(self.where, f"{self._left} bytes follow the end of the archive")
        while rest := self._buffer or await self._next():
            if any(rest):
                raise _refused(self.where, "there are bytes behind the end of the archive")
            self._buffer = memoryview(b"")
        if self._left or f"sha256:{await self._digester.hexdigest()}" != digest:
            raise SourceRefused(f"{self.where}: the registry served other bytes for {digest}.")

    async def _next(self) -> memoryview:
        async for chunk in self._chunks:
            if chunk:
                self._left -= len(chunk)
                if self._left < 0:
                    raise SourceRefused(f"{self.where}: its layer is longer than it says.")
                await self._digester.update(chunk)
                return memoryview(chunk)
        return memoryview(b"")


def _refused(where: str, found: str) -> SourceRefused:
    return SourceRefused(f"{where}: {found}. {_PUBLISH}")
