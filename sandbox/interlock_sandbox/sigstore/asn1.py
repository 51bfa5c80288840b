"""The few DER encodings that certificates and timestamps need and no library here writes fast.

asn1crypto takes 15 ms to write one timestamp; a test that signs a thousand cases cannot wait.
"""

NULL = b"\x05\x00"
_INTEGER, _OCTET_STRING, _OID, _UTF8_STRING = 0x02, 0x04, 0x06, 0x0C
_GENERALIZED_TIME, _SEQUENCE, _SET, _CONTEXT = 0x18, 0x30, 0x31, 0xA0


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of what is encoded already."""
    return _tlv(_SEQUENCE, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """SET OF; DER wants its members in byte order."""
    return _tlv(_SET, b"".join(sorted(parts)))


def context(number: int, *parts: bytes) -> bytes:
    """[number] around `parts`: explicit around whole values, implicit around members."""
    return _tlv(_CONTEXT | number, b"".join(parts))


def integer(value: int) -> bytes:
    """INTEGER that is not negative."""
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return _tlv(_OCTET_STRING, value)


def text(value: str) -> bytes:
    """UTF8String."""
    return _tlv(_UTF8_STRING, value.encode())


def time(value: str) -> bytes:
    """GeneralizedTime, given as YYYYMMDDHHMMSSZ."""
    return _tlv(_GENERALIZED_TIME, value.encode())


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return _tlv(_OID, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(arc & 0x7F | 0x80)
    return bytes(reversed(digits))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
