"""Reads and writes protocol buffers, the format of SentencePiece's models, field by field."""

from collections.abc import Iterator
from typing import NamedTuple

# The kinds of values that a field can have.
NUMBER, EIGHT, BYTES, FOUR = 0, 1, 2, 5


class Field(NamedTuple):
    """A field of a message.

    Attributes:
      number: of the field.
      value: its content, if it holds bytes, a string or a message; else empty.
      encoded: the field as it is in the message.
    """

    number: int
    value: bytes
    encoded: bytes


def encode_number(field: int, value: int) -> bytes:
    """Encodes a field that holds an integer."""
    return _varint(field << 3 | NUMBER) + _varint(int(value))


def encode_bytes(field: int, value: bytes) -> bytes:
    """Encodes a field that holds bytes, a string or another message."""
    return _varint(field << 3 | BYTES) + _varint(len(value)) + value


def fields_of_message(message: bytes) -> Iterator[Field]:
    """Yields the fields of a message.

    Raises:
      ValueError: it is damaged.
    """
    at = 0
    while at < len(message):
        key, value_at = _read_varint(message, at)
        number, kind = key >> 3, key & 7
        size = 0
        if kind == NUMBER:
            _, end = _read_varint(message, value_at)
        elif kind == BYTES:
            size, value_at = _read_varint(message, value_at)
            end = value_at + size
        elif kind in (FOUR, EIGHT):
            end = value_at + (4 if kind == FOUR else 8)
        else:
            raise ValueError(f"a field of the unknown kind {kind}")
        if end > len(message):
            raise ValueError("a field ends after the message")
        yield Field(number, message[value_at:end] if kind == BYTES else b"", message[at:end])
        at = end


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """Returns a number and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("a number ends after the message")
        value |= (message[at] & 127) << shift
        at += 1
        if message[at - 1] < 128:
            return value, at
    raise ValueError("a number of more than 64 bits")
