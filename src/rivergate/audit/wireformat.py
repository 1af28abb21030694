"""The protobuf wire format, as much of it as writing spans needs: varints and length-delimited fields."""

from __future__ import annotations

_UINT64 = (1 << 64) - 1


def varint(number: int) -> bytes:
    """An unsigned integer below 2⁶⁴, seven bits a byte; a negative one in two's complement, as int64 fields have it."""
    number &= _UINT64
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(tag: bytes, content: bytes) -> bytes:
    """A length-delimited field: tag, length, content."""
    return tag + varint(len(content)) + content
