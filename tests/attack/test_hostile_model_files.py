"""Model files that run code, lie about their size, or are two things at once.

None may pass the default policy, and none may be executed by being looked at (CVE-2024-3660,
CVE-2025-1550, CVE-2025-1944, CVE-2025-10156, CVE-2024-27318, CVE-2024-34359, CVE-2023-6909).
"""

import struct
import tarfile

import pytest

from interlock.api.values import Outcome
from support import hostile
from support.hostile import (
    content,
    gguf,
    gguf_pair,
    gguf_tensor,
    gguf_text,
    judged,
    node,
    onnx,
    proto,
    safetensors,
    tarred,
    tensor,
    zipped,
)
from support.pickles import GLOBAL, nothing_runs

__all__ = ["nothing_runs"]  # a fixture that every test here uses
TENSOR = safetensors({"a": tensor(0, 8)}, bytes(8))
ZIP = zipped(("payload.pkl", GLOBAL))


def refused(*files: tuple[str, bytes], **asked: object) -> None:
    """The gate's no to a model of a good file and these."""
    hostile.refused(content(("good.safetensors", TENSOR), *files), **asked)


EVERY = [
    *("safetensors", "gguf", "onnx", "zip", "tar", "text", "image", "hdf5", "unknown"),
    *("gzip", "bzip2", "xz", "zlib"),
]
_AT = ZIP.rfind(b"PK\x01\x02")
_LOCAL, _CENTRAL, _END = ZIP[:_AT], ZIP[_AT:-22], ZIP[-22:]


def _end_record(length: int, offset: int) -> bytes:
    return _END[:12] + struct.pack("<2IH", length, offset, 0)


TWO_THINGS = {
    "safetensors with a zip behind": TENSOR + ZIP,
    "safetensors with a zip in its tensor": safetensors({"a": tensor(0, len(ZIP))}, ZIP),
    "safetensors with a zip whose end is far from its list": TENSOR
    + ZIP[:-22]
    + bytes(99)
    + _end_record(len(_CENTRAL), len(TENSOR) + len(_LOCAL)),
    "text with a zip whose list begins before the tail": b"a" * 90_000
    + ZIP[:-22]
    + b"a" * 70_000
    + _end_record(len(_CENTRAL), 90_000 + len(_LOCAL)),
    "text with a zip that only its locator finds": b"a" * 200
    + struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    + _end_record(0, 0),
    "text with a zip and the longest of comments": b"a" * 200
    + ZIP[:-2]
    + struct.pack("<H", 65_535)
    + b"a" * 65_536,
    "onnx with a TensorFlow model": b"\x08\x01"
    + proto((2, b"\x0a\x02\x12\x00"))
    + onnx(node(b"Relu"))[2:],
    "onnx with a TensorFlow model before its producer": onnx(node(b"Relu"))
    + proto((2, b"\x0a\x00"), (2, b"pytorch")),
    "onnx with a TensorFlow graph": onnx(node(b"Relu")) + proto((1, b"\x0a\x01n\x12\x02Op")),
    "gguf with a zip in its tensor": gguf([], [gguf_tensor(b"a", len(ZIP), 0)], ZIP),
    "onnx with a zip in its tensor": onnx((5, proto((9, ZIP)))),
    "text with a zip behind": b"# A model\n" + ZIP,
    "zip with a comment": ZIP[:-2] + struct.pack("<H", 4) + b"text",
    "zip with bytes before": b"PK\x03\x04" + ZIP,
    "zip with bytes between": ZIP.replace(b"PK\x01\x02", b"\0" * 8 + b"PK\x01\x02"),
    "two zips": ZIP + ZIP,
    "tar that begins as GGUF": tarred((f"GGUF{'a' * 20}", GLOBAL)),
    "hdf5 behind text": b"a" * 512 + b"\x89HDF\r\n\x1a\n",
    "hdf5 far behind text": b"a" * 131_072 + b"\x89HDF\r\n\x1a\n",
    "png with bytes behind": b"\x89PNG\r\n\x1a\n"
    + struct.pack(">I4sI", 0, b"IEND", 0xAE426082)
    + b"text",
    "jpeg with bytes behind": b"\xff\xd8\xff\xe0" + bytes(64) + b"\xff\xd9text",
}


@pytest.mark.parametrize("case", TWO_THINGS)
def test_a_file_that_is_two_things(case: str) -> None:
    refused(("weights.safetensors", TWO_THINGS[case]), formats=EVERY, pickleImports=["*"])


def test_a_safetensors_file_whose_header_is_a_pickle() -> None:
    # The length's first byte is BINUNICODE, which passes the start of the header by; the letters
    # C4 8C and C4 93 end in SHORT_BINUNICODE and STACK_GLOBAL, BINPUT takes their first bytes.
    jump = 200
    name = "q\u010c " + "m" * 32
    start = '{"__metadata__":{"'.ljust(jump - 3, "a")
    header = (start + name * 2 + 'q\u0113)R.":""}}').encode().ljust(0x58 + 0x100 * jump)
    found = content(("w.safetensors", safetensors(header)))
    assert found.pickles[0].imports == [f"{'m' * 32}.{'m' * 32}"]
    assert found.pickles[0].fault == "it can be read as safetensors, too"
    refused(("w.safetensors", safetensors(header)))


def _extended(*records: bytes, only: bool = False) -> bytes:
    """A tar of one Python file that pax records lead; without the file where `only` is said."""
    data = b"".join(b"%d %s\n" % (len(each) + 4, each) for each in records)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(data)
    lead = header.tobuf(tarfile.USTAR_FORMAT) + data.ljust(512, b"\0")
    return lead if only else lead + tarred(("a.py", b"x"))


ARCHIVES = {
    "checksum": hostile.broken_crc(ZIP),
    "a comment that is not there": ZIP[:-2] + b"\x04\x00",
    "encrypted": ZIP[:6]
    + b"\x01"
    + ZIP[7:].replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
    "another name in the directory": ZIP[:40] + ZIP[40:].replace(b"payload", b"harmles"),
    "the same name twice": zipped(("a.txt", b"x"), ("A.txt", GLOBAL)),
    "a path that climbs": zipped(("../../etc/cron.d/x", b"x")),
    "an absolute path": zipped(("/etc/cron.d/x", b"x")),
    "a link in tar": tarred(("a", b""), type=b"2", linkname="/etc/passwd"),
    "a device in tar": tarred(("a", b""), type=b"3"),
    "a path that climbs in tar": tarred(("../x", b"x")),
    "a tar entry of two paths": _extended(b"path=x.txt", b"path=y.py"),
    "a tar entry of another size": _extended(b"path=x.txt", b"size=0"),
    "a tar entry of an extended header that is cut": _extended(b"path=x.txt")[:512]
    + b"13 path=x.txt".ljust(512, b"\0")
    + tarred(("a.py", b"x")),
    "a tar entry of two extended headers": _extended(b"path=x.txt", only=True)
    + _extended(b"path=y.txt"),
    "bytes behind tar": tarred(("a", b"x")) + b"x",
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(64),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(64),
    "cut off": ZIP[:-30],
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_two_readers_read_differently(case: str) -> None:
    found = content(("model.pt", ARCHIVES[case]))
    assert any(not each.why.startswith("it cannot be read") for each in found.faults), found
    assert judged(found, formats=EVERY, pickleImports=["*"]).outcome is Outcome.FAIL


SAFETENSORS = {
    "overlap": safetensors({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)),
    "hole": safetensors({"a": tensor(0, 4), "b": tensor(8, 12)}, bytes(12)),
    "bytes behind": TENSOR + b"x",
    "too few bytes": TENSOR[:-1],
    "a header beyond the file": safetensors({"a": tensor(0, 8)}, bytes(8), length=1 << 20),
    "a header of 100 GB": safetensors({"a": tensor(0, 8)}, bytes(8), length=100 << 30),
    "a shape that needs more": safetensors(
        {"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)
    ),
    "a negative size": safetensors(
        {"a": {"dtype": "U8", "shape": [-8], "data_offsets": [8, 0]}}, bytes(8)
    ),
    "a tensor twice": safetensors(
        b'{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},'
        b'"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
        bytes(8),
    ),
    "a key of its own": safetensors({"a": tensor(0, 8) | {"code": "x"}}, bytes(8)),
    "metadata that is no text": safetensors({"__metadata__": {"a": 1}, "a": tensor(0, 8)}),
    "a dtype of its own": safetensors({"a": tensor(0, 8, "PY")}, bytes(8)),
    "NaN": safetensors(b'{"a":NaN}'),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_a_safetensors_header_that_lies(case: str) -> None:
    found = content(("w.safetensors", SAFETENSORS[case]))
    assert found.faults or "unknown" in found.formats
    refused(("w.safetensors", SAFETENSORS[case]))


GGUF = {
    "a tensor beyond the file": gguf([], [gguf_tensor(b"a", 1 << 40, 0)], bytes(64)),
    "tensors that overlap": gguf(
        [], [gguf_tensor(b"a", 64, 0), gguf_tensor(b"b", 64, 32)], bytes(96)
    ),
    "bytes behind": gguf([], [gguf_tensor(b"a", 32, 0)], bytes(96)),
    "a text beyond the file": gguf([gguf_pair(b"a", 8, struct.pack("<Q", 1 << 62))], []),
    "texts beyond the file": gguf([gguf_pair(b"a", 9, struct.pack("<IQ", 8, 1 << 62))], []),
    "more keys than there are": gguf([], [], keys=1 << 40),
    "more tensors than there are": gguf([], [], count=1 << 40),
    "a key twice": gguf([gguf_pair(b"a", 0, b"x"), gguf_pair(b"a", 0, b"x")], []),
    "an alignment of zero": gguf([gguf_pair(b"general.alignment", 4, bytes(4))], []),
    "arrays in arrays": gguf([gguf_pair(b"a", 9, struct.pack("<IQ", 9, 1) * 99)], []),
    "a type of its own": gguf([], [gguf_tensor(b"a", 32, 0, kind=99)], bytes(32)),
    "a template that runs code": gguf(
        [gguf_pair(b"tokenizer.chat_template", 8, gguf_text(b"{{ ''.__class__.__mro__[1] }}"))],
        [],
    ),
}


@pytest.mark.parametrize("case", GGUF)
def test_a_gguf_header_that_lies(case: str) -> None:
    assert content(("m.gguf", GGUF[case])).faults
    refused(("m.gguf", GGUF[case]))


ONNX = {
    "data of another folder": onnx(hostile.external(b"../../etc/passwd")),
    "data of an absolute path": onnx(hostile.external(b"/etc/passwd")),
    "data that is not there": onnx(hostile.external(b"weights.data")),
    "an operator of somebody's": onnx(node(b"PyOp", b"ai.onnx.contrib")),
    "an operator in a branch": onnx(
        (1, proto((4, b"If"), (5, proto((6, proto(node(b"Run", b"evil")))))))
    ),
    "an operator in a function": onnx(
        function=proto((1, b"f"), (10, b"local"), (7, node(b"Run", b"evil")[1]))
    ),
    "data of another folder in an attribute": onnx(
        (1, proto((4, b"Constant"), (5, proto((5, hostile.external(b"../x")[1])))))
    ),
    "no graph": proto((1, 10), (2, b"x")),
    "a field beyond its message": proto((1, 10), (2, b"x")) + b"\x3a\x05\x0a\x7f\x00\x00\x00",
    "a field beyond the file": onnx() + b"\x12\xff\xff\xff\xff\x0f",
    "a number without end": onnx() + b"\x08" + b"\xff" * 32,
}


@pytest.mark.parametrize("case", ONNX)
def test_an_onnx_model_that_reaches_out(case: str) -> None:
    assert content(("m.onnx", ONNX[case])).faults
    refused(("m.onnx", ONNX[case]))


def _npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (ZIP.replace(ZIP[4:10], ZIP[4:8] + b"\x0c\x00"), "is packed by method 12"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x09IHDRabc", "it ends in the middle of a chunk"),
        (onnx(*(node(b"Run", b"d%d" % n) for n in range(1_001))), "more than 1000 operators"),
        (SAFETENSORS["a dtype of its own"], "has offsets or a dtype that are not known"),
        (hostile.npy_of_objects(b"\x80\x02}."), "it holds Python objects"),
        (_npy(b"{'descr': [('a', '<i8')], 'shape': (1,), }"), "not that of an array of numbers"),
        (_npy(b" " * 65_537), "its header has 65537 bytes"),
        (ONNX["data of another folder"], "is no file of the model"),
        (ONNX["data of an absolute path"], "is no file of the model"),
        (ONNX["data of another folder in an attribute"], "is no file of the model"),
        (ONNX["a field beyond its message"], "reaches out of its message"),
        (hostile.LONG_WINDED["nested.onnx"](), "more than 64 deep"),
        (SAFETENSORS["a negative size"], "no list of sizes"),
        (SAFETENSORS["a header beyond the file"], "it ends in the middle"),
        (safetensors(b"{}", length=3 << 20), "its header has 3145728 bytes"),
        (GGUF["more keys than there are"], "are not read"),
        (GGUF["more tensors than there are"], "are not read"),
        (GGUF["tensors that overlap"], "a tensor begins at 32, the one before ends at 64"),
    ],
)
def test_a_lie_is_noticed_where_it_stands(data: bytes, why: str) -> None:
    (fault,) = content(("m", data)).faults
    assert why in fault.why


def test_what_an_array_holds_is_looked_into() -> None:
    (found,) = content(("a.npy", hostile.npy_of_objects(GLOBAL))).pickles
    assert (found.path, found.imports) == ("a.npy!/objects", ["trap.system"])


@pytest.mark.parametrize("layer", [hostile.LAMBDA, hostile.FOREIGN], ids=["lambda", "module"])
def test_a_keras_model_that_runs_code(layer: dict[str, object]) -> None:
    found = content(("model.keras", hostile.keras(layer)))
    assert [fault.path for fault in found.faults] == ["model.keras!/config.json"]
    assert judged(found, formats=["zip", "hdf5", "json"]).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "text", [b'"class_name": "Lambda"', b'"cl\\u0061ss_name" : "L\\u0061mbda"']
)
def test_a_lambda_in_hdf5(text: bytes) -> None:
    data = b"\x89HDF\r\n\x1a\n" + bytes(70_000) + b'{"layers": [{' + text + b"}]}"
    assert content(("model.h5", data)).faults


MLMODEL = b"flavors:\n  python_function:\n    loader_module: mlflow.onnx\n    data: model.onnx\n"


@pytest.mark.parametrize(
    "document",
    [
        MLMODEL,
        MLMODEL + b"    surprise: x\n",
        MLMODEL + b"surprise: x\n",
        MLMODEL.replace(b"model.onnx", b"../../other/model.onnx"),
        MLMODEL + b"    code: code\n",
        MLMODEL + b"    model_code_path: agent.py\n",
        MLMODEL + b"    loader_module: other\n",
        b"flavors: &a {python_function: *a}\n",
        b"flavors: !!python/object/apply:os.system [id]\n",
        b"flavors: {sklearn: {pickled_model: /tmp/model.pkl}}\n",
    ],
)
def test_an_mlmodel_that_has_a_loader_import_something(document: bytes) -> None:
    refused(("MLmodel", document), loaders=["mlflow.onnx"] if document != MLMODEL else [])


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("requirements.txt", b"numpy==2.1.0\n"),
        ("requirements.txt", b"numpy>=2 --hash=sha256:" + b"0" * 64),
        ("requirements.txt", b"--extra-index-url https://packages.example/simple\n"),
        ("requirements.txt", b"evil @ https://packages.example/evil.whl\n"),
        ("requirements.txt", b"-e .\n"),
        ("python_env.yaml", b"dependencies:\n- ./wheel.whl\n"),
        ("conda.yaml", b"dependencies:\n- python=3.11\n- pip:\n  - mlflow\n"),
    ],
)
def test_requirements_that_mean_something_else_tomorrow(name: str, document: bytes) -> None:
    refused((name, document))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("code/agent.py", b"import os\n"),
        ("lib.so", b"\x7fELF" + bytes(64)),
        ("weights.txt", b"\x7fELF" + bytes(64)),
        ("run", b"#!/bin/sh\nid\n"),
        ("code.tar", _extended(b"comment= path=x.txt")),
        ("code.zip", zipped(("pkg/__init__.py", b"import os\n"))),
    ],
)
def test_code_beside_the_weights(name: str, data: bytes) -> None:
    every = ["zip", "tar", "text", "elf", "unknown", "safetensors"]
    assert content((name, data)).code
    refused((name, data), formats=every)
