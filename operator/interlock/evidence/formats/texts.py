"""Reads text: UTF-8 without control characters, told apart as JSON, YAML, code or plain text.

None of these does anything by being loaded, but for what `MLmodel` and requirements have a loader
import and install; both are read here.
"""

import codecs
import json

from interlock.evidence.formats import mlmodel, requirements
from interlock.evidence.formats.keras import MAX_BYTES, Scan, runs
from interlock.evidence.formats.known import UNKNOWN, Known
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import Bad, Stream, Walk

_PIECE = 64 * 1024
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\v\f\r"))
_YAML = (".yaml", ".yml")
_JSON = {b"{": b"}", b"[": b"]"}


def walk(stream: Stream, place: Place) -> Walk[Known]:
    """Return which kind of text it is, or that it is none."""
    decoder, scan = codecs.getincrementaldecoder("utf-8")(), Scan(any_object=True)
    first, last, whole, size = b"", b"", bytearray(), 0
    while piece := (yield from stream.some(_PIECE)):
        if len(piece.translate(None, _CONTROLS)) != len(piece) or not _decodes(decoder, piece):
            return UNKNOWN
        first, last = first or piece.lstrip()[:1], piece.rstrip()[-1:] or last
        if first in _JSON:
            scan.feed(piece)
        size += len(piece)
        if size <= MAX_BYTES:
            whole += piece
    if not _decodes(decoder, b"", final=True):
        return UNKNOWN
    if size <= MAX_BYTES:
        _named(bytes(whole), place)
    if _JSON.get(first) == last:
        return _json(bytes(whole) if size <= MAX_BYTES else None, scan, place)
    if size > MAX_BYTES and place.file in _READ:
        raise Bad(f"it has {size} bytes, at most {MAX_BYTES} are read")
    yaml = place.file.endswith(_YAML) or place.file == mlmodel.FILE
    return Known("yaml" if yaml else "text")


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def _named(document: bytes, place: Place) -> None:
    """Read what MLflow and pip know by name."""
    if document.startswith(b"#!"):
        place.code()
    if place.file == mlmodel.FILE:
        mlmodel.read(document, place)
    elif place.file in requirements.READERS:
        requirements.READERS[place.file](document, place)


def _json(document: bytes | None, scan: Scan, _place: Place) -> Known:
    if document is None:
        if scan.found:
            raise Bad(f"it is a Keras configuration of more than {MAX_BYTES} bytes")
        return Known("json")
    try:
        why = runs(document) if scan.found else ""
        if not scan.found:
            json.loads(document)
    except (ValueError, RecursionError):
        return Known("text")
    if why:
        raise Bad(why)
    return Known("json")


_READ = frozenset({mlmodel.FILE, *requirements.READERS})
