"""Reads a safetensors header: every byte of the file belongs to one tensor, and none to two.

The format says so (safetensors README, "no holes, no overlap"), and a file that obeys has no room
for anything else.
"""

import math

from interlock.evidence.formats.known import Known
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import Bad, Stream, Walk
from interlock.policy import strict_json
from interlock.policy.strict_text import StrictError

MAX_HEADER_BYTES = 2 * 1024**2
"""The format's own limit is 100 MB; a header of 2 MiB names some 20,000 tensors."""
MAX_BRACKETS = 100_000
MAX_DIMENSIONS = 16
_METADATA = "__metadata__"
_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


def walk(stream: Stream, place: Place) -> Walk[Known]:
    """Read the header; the file's length must then be what its tensors need."""
    length = int.from_bytes((yield from stream.exactly(8)), "little")
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise Bad(f"its header has {length} bytes, at most {MAX_HEADER_BYTES} are read")
    header = yield from stream.exactly(length)
    if header.count(b"[") + header.count(b"{") > MAX_BRACKETS:
        raise Bad(f"its header has more than {MAX_BRACKETS} lists and objects")
    try:
        value = strict_json.load(header, limit=MAX_HEADER_BYTES)
    except StrictError as error:
        raise Bad(f"its header: {error}") from None
    if not isinstance(value, dict):
        raise Bad("its header is no JSON object")
    _check_metadata(value.pop(_METADATA, {}))
    place.notes.step(len(value))
    return Known("safetensors", (8 + length + _end(value),))


def _check_metadata(value: object) -> None:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise Bad(f"its {_METADATA} is more than text")


def _end(tensors: dict[str, object]) -> int:
    """Return where the last tensor ends. Raises Bad for a hole or an overlap."""
    end = 0
    for begin, until, name in sorted(_span(name, each) for name, each in tensors.items()):
        if begin != end:
            raise Bad(f"the tensor {name[:64]!r} begins at {begin}, the one before ends at {end}")
        end = until
    return end


def _span(name: str, tensor: object) -> tuple[int, int, str]:
    if not isinstance(tensor, dict) or set(tensor) != {"dtype", "shape", "data_offsets"}:
        raise Bad(f"the tensor {name[:64]!r} does not say dtype, shape and data_offsets alone")
    shape, offsets, bits = tensor["shape"], tensor["data_offsets"], _bits(tensor["dtype"])
    if not _counts(shape) or len(shape) > MAX_DIMENSIONS:
        raise Bad(f"the tensor {name[:64]!r} has a shape that is no list of sizes")
    if not _counts(offsets) or len(offsets) != 2 or not bits:
        raise Bad(f"the tensor {name[:64]!r} has offsets or a dtype that are not known")
    begin, until = offsets
    if (until - begin) * 8 != math.prod(shape) * bits:
        raise Bad(f"the tensor {name[:64]!r} has {until - begin} bytes, its shape needs others")
    return begin, until, name


def _bits(dtype: object) -> int:
    return _BITS.get(dtype, 0) if isinstance(dtype, str) else 0


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
