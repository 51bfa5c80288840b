"""A model volume's layer: one form of tar is believed, whatever size the chunks have."""

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.api.digests import ModelFile
from interlock.evidence import modeltree
from interlock.evidence.http import SourceRefused
from interlock.evidence.layer import header, read_layer
from support import signed

LONG = "/".join(["ü" * 40] * 3)
FILES = {"MLmodel": b"flavors", "code/empty": b"", LONG: b"z" * 1500}


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def entry(path: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), 0o444
    for name, value in fields.items():
        setattr(info, name, value)
    return info, data


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(data: bytes, *, size: int = 1 << 20, digest: str | None = None) -> list[ModelFile]:
    named = digest or f"sha256:{hashlib.sha256(data).hexdigest()}"
    return await read_layer(chunks(data, size), named, len(data), "volume")


GOOD = tar(*(entry(path, data) for path, data in sorted(FILES.items())))


@pytest.mark.parametrize("size", [1, 7, 512, 1000, 1 << 20])
async def test_the_files_of_a_layer_are_those_that_went_in(size: int) -> None:
    assert await read(GOOD, size=size) == signed.model_files(FILES)


def test_a_files_header_follows_from_path_and_size() -> None:
    assert GOOD.startswith(header("MLmodel", 7) + b"flavors")
    assert len(header("big", 9 * 1024**3)) > 512  # beyond 8 GiB the size needs an extended header


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "MLmodel"},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.DIRTYPE},
        {"type": tarfile.CONTTYPE},
        {"mode": 0o4755},
        {"uid": 1000},
        {"mtime": 1},
        {"uname": "root"},
        {"pax_headers": {"SCHILY.xattr.user.x": "1"}},
        {"pax_headers": {"path": "other"}},
    ],
)
async def test_anything_but_a_plain_file_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SourceRefused, match="not a plain file of mode 0444"):
        await read(tar(entry("weights", **fields)))


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "a\\b", ".wh.MLmodel", "a%b"])
async def test_a_name_with_a_trick_is_refused(path: str) -> None:
    with pytest.raises(SourceRefused):
        await read(tar(entry(path)))


async def test_names_rise_and_occur_once() -> None:
    with pytest.raises(SourceRefused, match="out of order"):
        await read(tar(entry("b"), entry("a")))
    with pytest.raises(SourceRefused, match="occurs twice"):
        await read(tar(entry("a"), entry("a")))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-600] + b"x" + data[-599:],  # behind the end
        lambda data: data[:600],  # cut within a file
        lambda data: data[: len(data) - 10240 * (len(data) // 10240)] or data[:512],
        lambda data: data[:519] + b"x" + data[520:],  # in the padding of the first file
        lambda data: b"\x1f\x8b" + data[2:],  # compressed, perhaps
        lambda data: data[:148] + b"0000000\0" + data[156:],  # a wrong checksum
        lambda data: b"",
    ],
)
async def test_a_damaged_or_padded_archive_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SourceRefused):
        await read(change(GOOD))


def extended(records: bytes) -> bytes:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    padded = records + bytes(-len(records) % 512)
    return info.tobuf(tarfile.USTAR_FORMAT) + padded + header("x", 0) + bytes(1024)


@pytest.mark.parametrize(
    "records",
    [b"10 size=-5\n", b"0 \n", b"-1 path=x\n", b"9999 path=x\n", b"x path=y\n", b"\xff\n", b"",
     b"12 path=x\n12 path=y\n", b"9" * 9000 + b" path=x\n"],
)  # fmt: skip
async def test_extended_headers_that_lie_are_refused(records: bytes) -> None:
    with pytest.raises(SourceRefused):
        await read(extended(records))


async def test_a_size_below_zero_is_refused() -> None:
    with pytest.raises(SourceRefused, match="not a plain file"):
        await read(header("x", -5) + bytes(1024))


async def test_bytes_with_another_digest_are_refused() -> None:
    with pytest.raises(SourceRefused, match="served other bytes"):
        await read(GOOD, digest="sha256:" + "0" * 64)


async def test_a_layer_longer_or_shorter_than_its_descriptor_is_refused() -> None:
    digest = f"sha256:{hashlib.sha256(GOOD).hexdigest()}"
    with pytest.raises(SourceRefused, match="longer than it says"):
        await read_layer(chunks(GOOD, 512), digest, len(GOOD) - 1, "volume")
    with pytest.raises(SourceRefused, match="other bytes"):
        await read_layer(chunks(GOOD, 512), digest, len(GOOD) + 1, "volume")


async def test_bytes_have_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeltree, "MAX_BYTES", 1000)
    with pytest.raises(SourceRefused, match="GiB"):
        await read(GOOD)


async def test_zeros_without_end_are_refused() -> None:
    with pytest.raises(SourceRefused, match="follow the end"):
        await read(GOOD + bytes(100_000), size=512)


PLAIN = tar(*(entry(path, data) for path, data in sorted(signed.FILES.items())))


@given(place=st.integers(0, len(PLAIN) - 1), flip=st.integers(1, 255))
def test_a_flipped_byte_changes_contents_at_most(place: int, flip: int) -> None:
    mutated = bytearray(PLAIN)
    mutated[place] ^= flip
    try:
        files = asyncio.run(read(bytes(mutated)))
    except SourceRefused:
        return
    assert [file[:2] for file in files] == [file[:2] for file in signed.model_files()]
