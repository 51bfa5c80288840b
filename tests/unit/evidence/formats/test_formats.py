"""Good files are what they are, in pieces of any size."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interlock.api.content import Fault
from interlock.evidence import formats
from interlock.evidence.formats.machine import Machine
from support import hostile
from support.hostile import (
    content,
    findings,
    gguf,
    gguf_pair,
    gguf_tensor,
    gguf_text,
    node,
    onnx,
    proto,
    safetensors,
    tarred,
    tensor,
    zipped,
)
from support.pickles import GLOBAL, PICKLES

PINNED = b"numpy==2.1.0 ; python_version >= '3.11' \\\n    --hash=sha256:" + b"0" * 64 + b"\n"
MLMODEL = b"""artifact_path: model
flavors:
  onnx: {data: model.onnx, onnx_version: 1.19.0}
  python_function:
    data: model.onnx
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.onnx
    python_version: 3.11.7
mlflow_version: 3.17.2
model_id: m-0123
run_id: '0123'
utc_time_created: '2026-11-20 12:00:00.000000'
"""


def _image(format_: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, format_)
    return out.getvalue()


def _saved(array: object) -> bytes:
    out = io.BytesIO()
    np.save(out, array)  # type: ignore[arg-type]
    return out.getvalue()


def _savez() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, a=np.arange(4), b=np.ones((2, 3), "<f2"))
    return out.getvalue()


ZIP_END = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, 46, 8, 0)
"""The end of a zip of one entry, where there is none."""
GOOD: dict[str, tuple[str, bytes]] = {
    "model.safetensors": (
        "safetensors",
        safetensors(
            {"__metadata__": {"format": "pt"}, "b": tensor(4, 8), "a": tensor(0, 4)}, bytes(8)
        ),
    ),
    "empty.safetensors": ("safetensors", safetensors({})),
    "model.gguf": (
        "gguf",
        gguf(
            [
                gguf_pair(b"general.alignment", 4, b"\x20\0\0\0"),
                gguf_pair(b"tokenizer.chat_template", 8, gguf_text(b"{{ messages[0].content }}")),
                gguf_pair(b"tokens", 9, b"\x08\0\0\0\x02" + bytes(7) + gguf_text(b"a") * 2),
                gguf_pair(b"scores", 9, b"\x06\0\0\0\x02" + bytes(7) + bytes(8)),
            ],
            [gguf_tensor(b"a", 40, 0), gguf_tensor(b"b", 8, 64)],
            bytes(72),
        ),
    ),
    "model.onnx": ("onnx", onnx(node(b"Relu"), (5, proto((1, 4), (2, 1), (9, bytes(200_000)))))),
    "functions.onnx": (
        "onnx",
        onnx(node(b"f", b"local"), function=proto((1, b"f"), (10, b"local"))),
    ),
    "config.json": ("json", b' {"a": [1, 2.5, null]}\n'),
    "large.json": ("json", json.dumps({"a": ["x"] * 400_000}).encode()),
    "config.yaml": ("yaml", b"a: 1\n"),
    "README.md": ("text", "# Größe\n".encode()),
    "vocab.txt": ("text", b"cat\ndog\nIn\nthe\n(house)\n.\n"),
    "empty.txt": ("text", b""),
    "merges.txt": ("text", b"#version: 0.2\n"),
    "picture.png": ("image", _image("PNG")),
    "picture.jpg": ("image", _image("JPEG")),
    "array.npy": ("npy", _saved(np.arange(12.0).reshape(3, 4))),
    "scalar.npy": ("npy", _saved(np.float32(3))),
    "names.npy": ("npy", _saved(np.array(["a", "bcd"]))),
    "arrays.npz": ("zip", _savez()),
    "data.zip": ("zip", zipped(("a/b.txt", b"x"), ("c.bin", bytes(99)), packed=True)),
    "piped.zip": ("zip", zipped(("a.bin", bytes(70_000)), ("b", b"PK\x07\x08"), seekable=False)),
    "packed-piped.zip": ("zip", zipped(("a", bytes(70_000)), packed=True, seekable=False)),
    "data.tar": ("tar", tarred(("a/b.txt", b"x"), ("d" * 150, bytes(600)))),
    "text.gz": ("gzip", gzip.compress(b"text") + gzip.compress(b"more")),
    "text.bz2": ("bzip2", bz2.compress(b"text")),
    "text.xz": ("xz", lzma.compress(b"text")),
    "text.zz": ("zlib", zlib.compress(b"text")),
    "x.txt": ("text", b"x^2 + y^2 = z^2 is what Pythagoras says\n"),
    "quoted.txt": ("text", b"S'tis the season\n."),
    "quote.txt": ("text", b"S'\n."),
    "ended.safetensors": ("safetensors", safetensors({"a": tensor(0, 122)}, bytes(100) + ZIP_END)),
    "latin.txt": ("unknown", b"Gr\xf6\xdfe\n"),
    "half.txt": ("unknown", b"Gr\xc3"),
    "weights": ("unknown", b"\xfe\x01\x02\x03" * 9),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_of_its_format(name: str) -> None:
    format_, data = GOOD[name]
    assert findings(name, data) == formats.FileFindings(path=name, format=format_)


@pytest.mark.parametrize("name", GOOD)
def test_the_pieces_do_not_matter(name: str) -> None:
    _, data = GOOD[name]
    for piece in (1, 3, 1000) if len(data) < 5_000 else (4096,):
        assert findings(name, data, piece) == findings(name, data)


@pytest.mark.parametrize(
    "head", [safetensors({"a": tensor(0, 32 << 20)}), b"a line of text\n" * 100, b"\xfe\x01"]
)
def test_a_file_is_looked_at_while_it_streams_by(head: bytes) -> None:
    """And nothing of it is kept that was looked at."""
    inspector, piece = formats.inspect("m"), b"text" * (1 << 18)
    tracemalloc.start()
    inspector.feed(head)
    for _ in range(32):
        inspector.feed(piece[:-1] + b"\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20


@given(st.sampled_from(sorted(GOOD)), st.integers(0), st.integers(1, 255), st.booleans())
def test_a_changed_file_never_makes_it_raise(name: str, at: int, by: int, cut: bool) -> None:
    data = bytearray(GOOD[name][1][:4000])
    if data:
        data[at % len(data)] ^= by
    found = findings(name, bytes(data[: at % (len(data) + 1)] if cut else data))
    assert not any("cannot be read (" in fault.why for fault in found.faults), found


@given(st.sampled_from(sorted(PICKLES)), st.randoms(use_true_random=False))
def test_a_changed_pickle_never_makes_it_raise(name: str, chance: random.Random) -> None:
    data = bytearray(PICKLES[name])
    for _ in range(chance.randrange(4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    found = findings(name, bytes(data))
    whys = [each.fault for each in found.pickles] + [each.why for each in found.faults]
    assert not any("cannot be read (" in why for why in whys), whys


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_imports_of_a_real_pickle(protocol: int) -> None:
    value = {"a": [1, 2.5, "x", b"y", {3}, (None, True)], "p": Path("x"), "r": range(3)}
    (found,) = findings("m.pkl", pickle.dumps(value, protocol)).pickles
    assert found.fault == ""
    assert {"builtins.range", "__builtin__.xrange", "__builtin__.range"} & set(found.imports)
    assert any(each.startswith("pathlib.") for each in found.imports)


@pytest.mark.parametrize(
    ("route", "imports", "fault"),
    [
        ("name from the memo", ["trap.system"], ""),
        ("name put by hand", ["trap.system"], ""),
        ("name put over another", ["trap.system"], ""),
        ("name doubled", ["trap.trap"], ""),
        ("mark that is gone", ["trap.system"], ""),
        ("memo filled with what is no name", [], "only running it would tell"),
        ("name with an escape", [], "only running it would tell"),
        ("extension registry", [], "extension registry"),
        ("attribute of a harmless module", ["collections.abc.sys.modules"], "reaches through"),
        ("second pickle", ["trap.system"], "follow its end"),
        ("bytes behind the end", [], "follow its end"),
        ("cut off", ["trap.system"], "it ends in the middle"),
    ],
)
def test_what_a_hostile_pickle_is_found_to_import(
    route: str, imports: list[str], fault: str
) -> None:
    (found, *_) = findings("m.pkl", PICKLES[route]).pickles
    assert found.imports == imports
    assert (fault in found.fault) if fault else (found.fault == "")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_real_pickle_of_many_frames_has_no_fault(protocol: int) -> None:
    value = [list(range(70_000)), "x" * 200_000, b"y" * 200_000, ["z" * 300] * 500, range(3)]
    (found,) = findings("m.pkl", pickle.dumps(value, protocol)).pickles
    assert found.fault == ""


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x80\x02T\0\0\0\x80abc", "it ends in the middle"),
        (b"\x80\x02\x8b\0\0\0\x80abc", "LONG4 has a negative length"),
        (PICKLES["frame that cuts a name"], "an opcode reaches out of its frame"),
        (PICKLES["frame in a frame"], "a frame begins in another"),
        (PICKLES["second pickle"], "bytes follow its end"),
        (pickle.dumps([GLOBAL]), "its bytes hold another pickle"),
        (b"\x80\x02c" + b"m" * (2 << 20), "GLOBAL has an argument that is too long for one"),
    ],
)
def test_why_a_pickle_cannot_be_judged_by_its_imports(data: bytes, fault: str) -> None:
    (*_, found) = findings("m.pkl", data).pickles
    assert found.fault == fault


@pytest.mark.parametrize("data", [b"P\xc3\xa9" + b"a" * (2 << 20), b"Ia" + b"z" * (2 << 20)])
def test_a_long_line_that_is_no_argument_is_text(data: bytes) -> None:
    assert findings("long.txt", data).format == "text"


def test_a_pickle_that_the_reader_did_not_think_of_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Machine, "apply", surprise)
    (found,) = findings("readme.txt", b"(").pickles
    assert found.fault == "it cannot be read (RuntimeError)"


def test_more_imports_than_are_kept_are_a_fault() -> None:
    data = b"\x80\x02" + b"".join(b"cm\nn%d\n0" % number for number in range(65)) + b"N."
    (found,) = findings("m.pkl", data).pickles
    assert (len(found.imports), found.fault) == (64, "it imports more than 64 names")


def test_the_imports_of_arrays_and_of_joblib() -> None:
    (found,) = findings("m.pkl", pickle.dumps(np.arange(5), 4)).pickles
    assert (found.imports[-1], found.fault) == ("numpy.dtype", "")
    packed = zlib.compress(hostile.joblib(GLOBAL))
    (inner,) = findings("m.joblib", packed).pickles
    assert inner.path == "m.joblib!/content"
    assert "joblib.numpy_pickle.NumpyArrayWrapper" in inner.imports
    assert inner.fault


def test_mlmodel_and_requirements() -> None:
    found = content(("MLmodel", MLMODEL), ("requirements.txt", PINNED))
    assert (found.formats, found.faults, found.loose) == ({"yaml": 1, "text": 1}, [], [])
    assert (found.loaders, found.code) == (["mlflow.onnx"], [])


def test_data_that_an_onnx_model_reads_belong_to_it() -> None:
    model = ("deep/m.onnx", onnx(hostile.external(b"w/weights.data")))
    data = ("deep/w/weights.data", b"\xfe\x00" * 9)
    assert content(model, data).formats == {"onnx": 2}
    alone = content(model, ("w/weights.data", b"\xfe\x00" * 9))
    assert alone.formats == {"onnx": 1, "unknown": 1}
    why = "it reads deep/w/weights.data, which is not there"
    assert alone.faults == [Fault(path="deep/m.onnx", format="onnx", why=why)]


def test_the_first_file_of_each_format_is_named() -> None:
    found = content(("b.txt", b"x"), ("a.txt", b"x"), ("c.json", b"{}"))
    assert found.formats == {"text": 2, "json": 1}
    assert found.first == {"text": "a.txt", "json": "c.json"}


def test_lists_are_cut_and_the_rest_is_counted() -> None:
    found = content(*((f"{number:03}.py", b"x") for number in range(70)))
    assert (len(found.code), found.more) == (64, 6)
