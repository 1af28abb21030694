"""The protobuf wire format, as much of it as spans need: varints, tagged fields, and how to walk them."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

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


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, place after it). Raises ValueError where the bytes end early or go on for too long."""
    number = shift = 0
    while True:
        if at >= len(data):
            raise ValueError(f"the bytes end within a number, at {at}")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _UINT64, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number of more than ten bytes, at {at}")


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) in order: integers for varints, bytes for all others. Raises ValueError."""
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError(f"a field without a number, at {at}")
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if kind == LENGTH:
            length, at = read_varint(data, at)
        elif kind == FIXED64:
            length = 8
        elif kind == FIXED32:
            length = 4
        else:
            raise ValueError(f"wire type {kind}, which no span has, at {at}")
        if at + length > end:
            raise ValueError(f"field {number} wants {length} bytes, {end - at} are left")
        yield number, data[at : at + length]
        at += length
