"""What the tables of `config` are made of: rows for the arguments of the peer's classes, and checks of their values."""

import reprlib
from collections.abc import Callable, Mapping
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
      finish: changes those of our fields that depend on others; raises ValueError where they contradict each other.
      gather: our fields as `back` of the rows takes them, where several of ours are one argument of the peer's.
    """

    name: str
    rows: tuple[Row, ...]
    without_effect: frozenset[str] = frozenset()
    settles: tuple[tuple[str, Any], ...] = ()
    finish: Callable[[dict[str, Any]], None] = lambda fields: None
    gather: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields


def translated(section: Section, arguments: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    """Our fields for the arguments of one class; those in a section of their own are named section.argument.

    What cannot be translated is added to `problems`.
    """
    nested = {row.peer.partition(".")[0] for row in section.rows if "." in row.peer}
    arguments, problems_before = dict(arguments), len(problems)
    for name in nested:
        inner = arguments.pop(name, None) or {}
        if isinstance(inner, Mapping):
            arguments |= {f"{name}.{key}": value for key, value in inner.items()}
        else:
            problems.append(f"{place}.{name} {inner!r} (must be a section)")
    fields = dict(section.settles)
    known = {row.peer for row in section.rows} | section.without_effect | {"_target_"}
    problems += [f"{place}.{name} (unknown)" for name in arguments if name not in known]
    for row in section.rows:
        value = arguments.get(row.peer, row.default)
        try:
            if value is Required:
                raise ValueError("is missing")
            converted = row.convert(value)
        except (ValueError, TypeError, AttributeError) as error:
            problems.append(f"{place}.{row.peer} {'' if value is Required else reprlib.repr(value) + ' '}({error})")
            continue
        if row.ours is not None:
            fields[row.ours] = converted
    if len(problems) == problems_before:
        try:
            section.finish(fields)
        except ValueError as error:
            problems.append(f"{place}.{error}")
    return fields


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


def finish_widths(encoder: dict[str, Any]) -> None:
    """What an encoder says by special numbers: channels as wide as the model, an output that is not projected.

    Raises:
      ValueError: its width cannot be split into its heads.
    """
    if encoder["width"] % encoder["num_heads"]:
        raise ValueError(f"d_model {encoder['width']} has no {encoder['num_heads']} heads")
    if encoder.get("subsampling_channels") == -1:
        encoder["subsampling_channels"] = encoder["width"]
    if encoder["output_width"] in (None, -1, 0, encoder["width"]):
        encoder["output_width"] = None
