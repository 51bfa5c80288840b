"""Model files that keep their reader busy, or fill its memory: bombs, long windings, deep nests.

Work is counted in parts, bytes and depth, never in time, so that a file ends the same way on every
machine; a part is worth a microsecond or so.
"""

import tracemalloc

import pytest

from interlock.evidence import formats
from support.hostile import LONG_WINDED, SQUEEZERS, content, deep, findings, zipped
from support.pickles import GLOBAL

MAX_BYTES = 64 * 1024**2
"""What a look may take beside the file itself."""
_PARTS = "it has more than 600000 parts, and no more are followed"
_FOLD = "it expands more than 250-fold"
_MORE = "it expands to more than is looked at"
_STREAMS = "more than 1000 streams follow one another"
_NO_TENSOR = "the tensor 'a' does not say dtype, shape and data_offsets alone"
ENDS = {
    **dict.fromkeys(("values.pkl", "numbers.pkl", "names.pkl", "lines.pkl"), _PARTS),
    **dict.fromkeys(("empty.zip", "descriptors.zip", "entries.tar", "texts.gguf"), _PARTS),
    **dict.fromkeys(("fields.onnx", "requirements.txt"), _PARTS),
    **dict.fromkeys(("zeros.gz", "zeros.bz2", "zeros.xz"), _FOLD),
    **dict.fromkeys(("dense.bz2", "letters.gz", "letters.xz"), _MORE),
    **dict.fromkeys(("streams.gz", "streams.bz2"), _STREAMS),
    **dict.fromkeys(("lists.safetensors", "numbers.safetensors"), _NO_TENSOR),
    "marks.pkl": "more than 50000 marks lie on the stack",
    "many.pkl": "bytes follow its end",
    "line.pkl": "a line has more than 1048576 bytes",
    "bytes.pkl": "it ends in the middle",
    "deep.zip": "archives lie more than 6 deep in one another",
    "header.safetensors": "its header has more than 100000 lists and objects",
    "tensors.gguf": "a tensor begins at 0, the one before ends at 1",
    "nested.onnx": "messages lie more than 64 deep in one another",
    "unread.json": "it is a Keras configuration of more than 1048576 bytes",
    "MLmodel": "MLmodel: line 1: lists and mappings lie more than 32 deep in one another",
}
HARMLESS = {"config.json": "text", "lists.json": "json", "tensors.safetensors": "safetensors"}
"""Large, but what they say they are."""


def whys(found: formats.FileFindings) -> list[str]:
    return [each.why for each in found.faults] + [each.fault for each in found.pickles]


@pytest.mark.parametrize("name", LONG_WINDED)
def test_a_file_without_end_is_left_alone(name: str) -> None:
    found = findings(name, LONG_WINDED[name](), piece=256 * 1024)
    if name in HARMLESS:
        assert (found.format, whys(found)) == (HARMLESS[name], [])
    else:
        assert any(each.startswith(ENDS[name]) for each in whys(found)), whys(found)


@pytest.mark.parametrize("name", ["names.pkl", "letters.xz", "tensors.safetensors", "lists.json"])
def test_a_file_without_end_fills_no_memory(name: str) -> None:
    data = LONG_WINDED[name]()[: 2 << 20]
    tracemalloc.start()
    content((name, data), piece=256 * 1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_BYTES


@pytest.mark.parametrize("squeezer", SQUEEZERS)
def test_a_bomb_is_left_alone_as_soon_as_it_is_one(squeezer: str) -> None:
    (fault,) = content(("bomb", SQUEEZERS[squeezer](bytes(4 << 20)))).faults
    assert fault.why == _FOLD


@pytest.mark.parametrize("squeezer", SQUEEZERS)
def test_a_small_file_of_one_byte_is_no_bomb(squeezer: str) -> None:
    assert not content(("zeros", SQUEEZERS[squeezer](bytes(1 << 20)))).faults


def test_archives_in_archives_are_opened_so_deep_and_no_deeper() -> None:
    assert content(("deep.zip", deep(6))).pickles
    found = content(("deep.zip", deep(7)))
    assert [fault.why for fault in found.faults] == [ENDS["deep.zip"]]


def test_one_budget_holds_for_all_that_lies_in_a_file() -> None:
    part = LONG_WINDED["numbers.pkl"]()[:300_000] + b"."
    assert not any(map(_is_limit, whys(findings("m.zip", zipped(("0", part))))))
    found = findings("m.zip", zipped(*((f"{number}", part) for number in range(5))))
    assert any(map(_is_limit, whys(found)))


def _is_limit(why: str) -> bool:
    return why == _PARTS


def test_no_member_of_an_archive_is_forgotten_for_want_of_room() -> None:
    members = [(f"{number}.pkl", GLOBAL) for number in range(100)]
    found = content(("many.zip", zipped(*members)))
    assert (len(found.pickles), found.more) == (64, 36)
