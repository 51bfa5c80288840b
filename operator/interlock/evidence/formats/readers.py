"""Which reader a format has. What has none is named, and judged by its name."""

from collections.abc import Callable
from functools import partial

from interlock.evidence.formats import (
    arrays,
    expand,
    gguf,
    images,
    onnx,
    safetensors,
    tars,
    texts,
    zips,
)
from interlock.evidence.formats.keras import Scan
from interlock.evidence.formats.known import UNKNOWN, Known
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.sniff import HEAD, sniff
from interlock.evidence.formats.stream import Bad, Stream, Walk

Reader = Callable[[Stream, Place], Walk[Known]]
_PIECE = 64 * 1024
_CLOSED = frozenset({"zstd", "lz4", "7z", "rar"})
"""What may hold anything and is not looked into."""


def examine(stream: Stream, place: Place) -> Walk[Known]:
    """Return what the file is. Raises Bad with the format that it only claims to be."""
    yield from stream.want(HEAD)
    name = sniff(stream.data[stream.at : stream.at + HEAD])
    try:
        if name in _CLOSED:
            raise Bad("it is not looked into, and may hold anything")
        return (yield from _READERS.get(name, _named)(stream, place))
    except Bad as bad:
        raise Bad(f"{_FORMATS.get(name, name) or 'text'}: {bad}") from None


def _named(stream: Stream, _place: Place) -> Walk[Known]:
    """Return the format by its magic alone."""
    yield from stream.want(HEAD)
    return Known(sniff(stream.data[stream.at : stream.at + HEAD]) or UNKNOWN.format)


def _hdf5(stream: Stream, _place: Place) -> Walk[Known]:
    scan = Scan(any_object=False)
    while piece := (yield from stream.some(_PIECE)):
        scan.feed(piece)
    if scan.found:
        raise Bad("it is a Keras model with a Lambda, which is Python code")
    return Known("hdf5")


def _zip(stream: Stream, place: Place) -> Walk[Known]:
    yield from zips.walk(stream, place)
    return Known("zip")


def _tar(stream: Stream, place: Place) -> Walk[Known]:
    yield from tars.walk(stream, place)
    return Known("tar")


def _packed(format_: str, stream: Stream, place: Place) -> Walk[Known]:
    yield from expand.walk(stream, place, format_)
    return Known(format_)


_READERS: dict[str, Reader] = {
    "": texts.walk,
    "script": texts.walk,
    "safetensors": safetensors.walk,
    "gguf": gguf.walk,
    "onnx": onnx.walk,
    "npy": arrays.walk,
    "png": images.png,
    "jpeg": images.jpeg,
    "hdf5": _hdf5,
    "zip": _zip,
    "tar": _tar,
    **{each: partial(_packed, each) for each in ("gzip", "zlib", "bzip2", "xz", "lzma")},
}
_FORMATS = {"script": "text", "png": "image", "jpeg": "image"}
