"""Makes model files that attack whoever loads them, each in its own way; loads none of them."""

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

from interlock.api.content import Content
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.evidence import formats
from interlock.gates import model_content
from interlock.policy.evidence import ContentPolicy
from support.facts import good_facts
from support.pickles import BENIGN, GLOBAL, short
from support.policies import good_policy

POLICY, FACTS = good_policy(), good_facts()


def zipped(*members: tuple[str, bytes], packed: bool = False, seekable: bool = True) -> bytes:
    """A zip archive, as torch, numpy and Keras write them."""
    out = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(out if seekable else _Pipe(out), "w", how) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, how)
    return out.getvalue()


def tarred(*members: tuple[str, bytes], **changes: object) -> bytes:
    """A tar archive; `changes` are of each entry."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in changes.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class _Pipe(io.RawIOBase):
    """What cannot seek: the archive's sizes then follow its entries."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def write(self, data: object) -> int:
        return self._out.write(data)  # type: ignore[arg-type]


def safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file; `header` may be bytes, `length` a lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(begin: int, end: int, dtype: str = "U8") -> dict[str, object]:
    """The header of one flat tensor of bytes."""
    return {"dtype": dtype, "shape": [end - begin], "data_offsets": [begin, end]}


def gguf(pairs: list[bytes], tensors: list[bytes], data: bytes = b"", **said: int) -> bytes:
    """A GGUF file of whole pairs and tensor infos; counts may be lies."""
    head = b"GGUF" + struct.pack(
        "<IQQ",
        said.get("version", 3),
        said.get("count", len(tensors)),
        said.get("keys", len(pairs)),
    )
    whole = head + b"".join(pairs) + b"".join(tensors)
    return whole + bytes(-len(whole) % 32) + data


def gguf_text(text: bytes) -> bytes:
    """A GGUF string."""
    return struct.pack("<Q", len(text)) + text


def gguf_pair(key: bytes, kind: int, value: bytes) -> bytes:
    """A GGUF key with its value."""
    return gguf_text(key) + struct.pack("<I", kind) + value


def gguf_tensor(name: bytes, count: int, offset: int, kind: int = 24) -> bytes:
    """A GGUF tensor info of one dimension; type 24 is a byte an element."""
    return gguf_text(name) + struct.pack("<IQIQ", 1, count, kind, offset)


def proto(*fields: tuple[int, bytes | int]) -> bytes:
    """A protobuf message."""
    out = []
    for number, value in fields:
        if isinstance(value, int):
            out += [_varint(number << 3), _varint(value)]
        else:
            out += [_varint(number << 3 | 2), _varint(len(value)), value]
    return b"".join(out)


def onnx(*graph: tuple[int, bytes | int], **more: bytes) -> bytes:
    """An ONNX model of one graph; `function` is a FunctionProto."""
    fields: list[tuple[int, bytes | int]] = [(1, 10), (2, b"interlock"), (7, proto(*graph))]
    fields += [(25, more["function"])] if "function" in more else []
    return proto(*fields, (8, proto((1, b""), (2, 21))))


def external(location: bytes) -> tuple[int, bytes]:
    """The initializer of a graph whose data lie in another file."""
    entry = proto((1, b"location"), (2, location))
    return 5, proto((1, 4), (2, 1), (8, b"w"), (13, entry), (14, 1))


def node(operator: bytes, domain: bytes = b"") -> tuple[int, bytes]:
    """A node of a graph."""
    return 1, proto((1, b"x"), (2, b"y"), (4, operator), (7, domain))


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def npy_of_objects(pickled: bytes) -> bytes:
    """A NumPy array of Python objects."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pickled


def joblib(pickled: bytes) -> bytes:
    """A joblib dump: an array's raw bytes lie between the opcodes of its pickle."""
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}b"
    return b"\x80\x03" + wrapper + b"\xff" * 64 + pickled[2:]


def broken_crc(archive: bytes) -> bytes:
    """The archive with the checksums of its first entry changed, in both places."""
    at = archive.rfind(b"PK\x01\x02") + 16
    changed = bytes(each ^ 0xFF for each in archive[at : at + 4])
    return archive.replace(archive[at : at + 4], changed)


def keras(layer: dict[str, object]) -> bytes:
    """A `.keras` archive with one layer beside its weights."""
    config = {"class_name": "Sequential", "module": "keras", "config": {"layers": [layer]}}
    weights = b"\x89HDF\r\n\x1a\n" + bytes(64)
    members = [("metadata.json", b"{}"), ("config.json", json.dumps(config).encode())]
    return zipped(*members, ("model.weights.h5", weights), packed=True)


LAMBDA: dict[str, object] = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}},
}
FOREIGN: dict[str, object] = {
    "module": "subprocess",
    "class_name": "Popen",
    "config": {"args": ["touch", "interlock-was-here"]},
}
SQUEEZERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
}


def _torch(pickled: bytes, *, packed: bool, seekable: bool = True) -> bytes:
    members = (("archive/data.pkl", pickled), ("archive/data/0", bytes(4096)))
    return zipped(*members, packed=packed, seekable=seekable)


PACKAGES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "pickle": ("model.pkl", lambda data: data),
    "pickle named bin": ("model.bin", lambda data: data),
    "pickle named safetensors": ("model.safetensors", lambda data: data),
    "pickle named text": ("readme.txt", lambda data: data),
    "pickle named onnx": ("weights.onnx", lambda data: data),
    **{each: (f"python_model.pkl.{each}", pack) for each, pack in SQUEEZERS.items()},
    **{f"{each} named text": (f"a.{each}.txt", pack) for each, pack in SQUEEZERS.items()},
    "torch": ("model.pt", lambda data: _torch(data, packed=False)),
    "torch, packed": ("model.pt", lambda data: _torch(data, packed=True)),
    "torch, piped": ("model.pt", lambda data: _torch(data, packed=False, seekable=False)),
    "torch, packed, piped": ("model.pt", lambda data: _torch(data, packed=True, seekable=False)),
    "torch, bad checksum": ("m.pt", lambda data: broken_crc(zipped(("data.pkl", data)))),
    "torch named safetensors": ("m.safetensors", lambda data: _torch(data, packed=False)),
    "npy": ("array.npy", npy_of_objects),
    "npz": ("arrays.npz", lambda data: zipped(("a.npy", npy_of_objects(data)))),
    "joblib": ("forest.joblib", joblib),
    "joblib, packed": ("forest.joblib", lambda data: zlib.compress(joblib(data))),
    "zip in zip": ("nested.zip", lambda data: zipped(("inner.zip", zipped(("x", data))))),
    "gzip in zip": ("nested.zip", lambda data: zipped(("x.gz", gzip.compress(data)))),
    "tar": ("model.nemo", lambda data: tarred(("weights/model.ckpt", data))),
    "tar in gzip": ("model.tar.gz", lambda data: gzip.compress(tarred(("m.pkl", data)))),
    "tar in tar": ("model.tar", lambda data: tarred(("inner.tar", tarred(("m.pkl", data))))),
    "zip in tar": ("model.tar", lambda data: tarred(("m.pt", zipped(("data.pkl", data))))),
}
"""What loaders open, by name: the file's own name, and how a pickle gets into it."""


def _noise(size: int) -> bytes:
    return random.Random(7).randbytes(size)  # noqa: S311 - bytes that do not compress


def deep(count: int) -> bytes:
    """A pickle in so many zip archives."""
    data = GLOBAL
    for _ in range(count):
        data = zipped(("a", data))
    return data


def _nested_onnx(count: int) -> bytes:
    graph = proto((2, b"g"))
    for _ in range(count):
        graph = proto((1, proto((5, proto((6, graph))))))
    return onnx((1, proto((5, proto((6, graph))))))


LONG_WINDED: dict[str, Callable[[], bytes]] = {
    "values.pkl": lambda: b"\x80\x04" + b"N0" * 300_000 + b".",
    "numbers.pkl": lambda: b"\x80\x04" + b"K\x01" * 700_000 + b".",
    "names.pkl": lambda: b"\x80\x04" + (short(b"a" * 100) + b"\x94") * 150_000 + b".",
    "lines.pkl": lambda: b"(" + b"I1\n" * 110_000 + b"l.",
    "marks.pkl": lambda: b"\x80\x04" + b"(" * 1_000_000 + b".",
    "many.pkl": lambda: BENIGN * 120_000,
    "line.pkl": lambda: b"(V" + b"a" * (3 << 20),
    "bytes.pkl": lambda: b"\x80\x03(" + (b"C\x10" + GLOBAL[:16]) * 12_000,
    "zeros.gz": lambda: gzip.compress(bytes(64 << 20), 1),
    "zeros.bz2": lambda: bz2.compress(bytes(16 << 20), 1),
    "zeros.xz": lambda: lzma.compress(bytes(64 << 20), preset=0),
    "dense.bz2": lambda: bz2.compress(_noise(1 << 20), 1) * 18,
    "letters.gz": lambda: gzip.compress(_noise(1 << 20).hex().encode(), 1) * 70,
    "letters.xz": lambda: lzma.compress(_noise(1 << 20).hex().encode(), preset=0) * 20,
    "streams.gz": lambda: gzip.compress(b"") * 100_000,
    "streams.bz2": lambda: bz2.compress(b"") * 100_000,
    "empty.zip": lambda: zipped(*((f"{number}", b"") for number in range(11_000))),
    "descriptors.zip": lambda: zipped(("a", b"PK\x07\x08" * 300_000), seekable=False),
    "entries.tar": lambda: tarred(*((f"{number}", b"") for number in range(11_000))),
    "deep.zip": lambda: deep(40),
    "header.safetensors": lambda: safetensors(b'{"a":' + b"[" * (1 << 20)),
    "lists.safetensors": lambda: safetensors(b'{"a":[' + b"[]," * 49_000 + b"[]]}"),
    "numbers.safetensors": lambda: safetensors(b'{"a":[' + b"0," * (1 << 19) + b"0]}"),
    "tensors.safetensors": lambda: safetensors(
        {f"{number}": tensor(number, number + 1) for number in range(28_000)}, bytes(28_000)
    ),
    "texts.gguf": lambda: gguf(
        [gguf_pair(b"a", 9, struct.pack("<IQ", 8, 1_300_000) + gguf_text(b"") * 1_300_000)], []
    ),
    "tensors.gguf": lambda: gguf([], [gguf_tensor(b"%d" % n, 1, 0) for n in range(50_000)]),
    "fields.onnx": lambda: onnx(*[(6, 0)] * 700_000),
    "nested.onnx": lambda: _nested_onnx(2_000),
    "config.json": lambda: b"[" * (1 << 20),
    "lists.json": lambda: b"[" + b"[]," * 330_000 + b"[]]",
    "unread.json": lambda: b'{"class_name":"x","a":[' + b"[]," * 4_000_000 + b"[]]}",
    "MLmodel": lambda: b"flavors: " + b"{a: " * 50_000,
    "requirements.txt": lambda: b"a\n" * 120_000,
}
"""Files that would keep a reader busy, or fill its memory, by name."""


def content(*files: tuple[str, bytes], piece: int = 65_536) -> Content:
    """What is found in a model of these files, read piece by piece."""
    return formats.content(findings(path, data, piece) for path, data in files)


def judged(found: Content, **asked: object) -> GateResult:
    """What the gate says of a model's content, where policy has these limits."""
    limits = ContentPolicy.model_validate(asked)
    gates = POLICY.gates.model_copy(update={"model_content": limits})
    policy = POLICY.model_copy(update={"gates": gates})
    return model_content.evaluate(FACTS.model_copy(update={"content": found}), policy)


def refused(found: Content, **asked: object) -> GateResult:
    """The gate's no to a model's content."""
    result = judged(found, **asked)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.MODEL_REFUSED), found
    return result


def findings(path: str, data: bytes, piece: int = 65_536) -> formats.FileFindings:
    """What is found in one file."""
    inspector = formats.inspect(path)
    for start in range(0, len(data), piece):
        inspector.feed(data[start : start + piece])
    return inspector.close()
