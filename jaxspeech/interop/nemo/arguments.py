"""What the tables of `config` are made of: rows for the arguments of the peer's classes, and checks of their values."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Required:
    """Stands for a default where the peer has none."""


class Row(NamedTuple):
    """An argument of a class of the peer.

    Attributes:
      peer: its name there.
      ours: the field here; None where only `convert`'s check counts.
      default: what the peer takes when the argument is missing.
      convert: its value to ours; raises ValueError when we have no such thing.
      back: our value to the peer's.
    """

    peer: str
    ours: str | None
    default: Any
    convert: Callable[[Any], Any]
    back: Callable[[Any], Any] = lambda value: value


class Section(NamedTuple):
    """A class of the peer.

    Attributes:
      name: of our module.
      rows: its arguments.
      without_effect: arguments without effect on any number.
      settles: our fields that it settles by being this class.
      gather: our fields as `back` of the rows takes them, where several of ours are one argument of the peer's.
    """

    name: str
    rows: tuple[Row, ...]
    without_effect: frozenset[str] = frozenset()
    settles: tuple[tuple[str, Any], ...] = ()
    gather: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields


def among(*values: Any) -> Callable[[Any], Any]:
    """Accepts `values` as they are."""

    def convert(value: Any) -> Any:
        if value not in values:
            raise ValueError(f"can be {', '.join(map(repr, values))}")
        return value

    return convert


def only(peer: str, value: Any, *others: Any) -> Row:
    """An argument whose other values do something that we cannot."""
    return Row(peer, None, value, among(value, *others))


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Accepts the integers of a range; its end also keeps a hostile file from asking for the whole memory."""

    def convert(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return value

    return convert


def number(low: int | float, high: int | float) -> Callable[[Any], float]:
    """Accepts the numbers of a range."""

    def convert(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return float(value)

    return convert


def optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Accepts None too."""
    return lambda value: None if value is None else convert(value)


def none_as_null(value: str) -> str | None:
    """Undoes what takes the peer's null for our "none"."""
    return None if value == "none" else value


flag = among(True, False)
share = number(0, 1)
size = integer(1, 1 << 14)
