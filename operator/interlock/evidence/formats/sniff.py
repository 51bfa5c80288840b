"""Which reader a file belongs to, by its first bytes. Names never say what a file is."""

import zlib

HEAD = 512
"""Bytes that are enough to tell: a tar's first header."""
_CHECKSUM = slice(148, 156)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"GGUF", "gguf"),
    (b"\x93NUMPY", "npy"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"PAR1", "parquet"),
    (b"\x7fELF", "elf"),
    (b"#!", "script"),
)
_LZMA = b"\x5d\x00\x00"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_PROTOCOLS = range(2, 6)


def sniff(head: bytes) -> str:
    """Return the format that the first bytes claim; empty where they claim none."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[8:9] == b"{" and head[4:8] == b"\0\0\0\0":
        return "safetensors"
    if is_tar(head):
        return "tar"
    if head.startswith(_LZMA) and len(head) > 13:
        return "lzma"
    if _is_zlib(head):
        return "zlib"
    return "onnx" if _is_onnx(head) else ""


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are a tar's header: its checksum holds."""
    block = head[:HEAD]
    if len(block) < HEAD:
        return False
    said = block[_CHECKSUM].strip(b" \0")
    if not said or any(digit not in b"01234567" for digit in said):
        return False
    blank = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    signed = sum(byte - 256 if byte > 127 else byte for byte in blank)
    return int(said, 8) in (sum(blank), signed)


def _is_zlib(head: bytes) -> bool:
    """Whether it begins to expand: the two bytes of zlib's header may begin a text as well."""
    if not head.startswith(_ZLIB):
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, 1 << 16))
    except zlib.error:
        return False


def hides(head: bytes) -> bool:
    """Whether bytes that lie in a pickle are worth looking into: a pickle, or something packed."""
    if len(head) > 1 and head[0] == 0x80 and head[1] in _PROTOCOLS:
        return True
    return sniff(head) in _PACKED


_PACKED = frozenset(
    {"zip", "gzip", "bzip2", "xz", "lzma", "zlib", "zstd", "lz4", "7z", "rar", "npy", "tar"}
)


def _is_onnx(head: bytes) -> bool:
    """Whether a protobuf begins as ModelProto does: `ir_version`, then one of its other fields."""
    return len(head) > 3 and head[0] == 0x08 and 0 < head[1] < 32 and head[2] in _AFTER_VERSION


_AFTER_VERSION = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42\x72")
