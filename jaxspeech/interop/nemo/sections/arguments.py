"""The building blocks of the tables: arguments of NeMo's classes, our fields for them, and checks of their values."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Required:
    """Stands for the default of an argument that NeMo requires."""


class Argument(NamedTuple):
    """One argument of a NeMo class.

    Attributes:
      nemo: its name there; "section.argument" if it is in a nested section.
      ours: our field for it; None if its value is only checked by `convert`.
      default: the value that NeMo uses when the argument is missing.
      convert: its value to ours; raises ValueError when we have no counterpart.
      back: our value to NeMo's.
    """

    nemo: str
    ours: str | None
    default: Any
    convert: Callable[[Any], Any]
    back: Callable[[Any], Any] = lambda value: value


class Section(NamedTuple):
    """A NeMo class, whose arguments are one section of its configuration.

    Attributes:
      name: of our module.
      arguments: those that we know.
      without_effect: names of arguments that do not change the results.
      settles: our fields whose value follows from the class alone.
      finish: sets our fields that depend on others; raises ValueError if fields contradict each other.
      gather: combines our fields for `back`, where one argument of NeMo's stands for several of them.
      fits: whether fields of ours can be written as this class.
      package: where NeMo keeps the class.
    """

    name: str
    arguments: tuple[Argument, ...]
    without_effect: frozenset[str] = frozenset()
    settles: tuple[tuple[str, Any], ...] = ()
    finish: Callable[[dict[str, Any]], None] = lambda fields: None
    gather: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields
    fits: Callable[[Any], bool] = lambda fields: True
    package: str = "nemo.collections.asr.modules"


def among(*values: Any) -> Callable[[Any], Any]:
    """Accepts `values` as they are."""

    def convert(value: Any) -> Any:
        if value not in values:
            raise ValueError(f"can be {', '.join(map(repr, values))}")
        return value

    return convert


def only(nemo: str, value: Any, *others: Any) -> Argument:
    """An argument of which only these values are supported."""
    return Argument(nemo, None, value, among(value, *others))


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Accepts the integers of a range; its end also keeps a hostile file from requesting all memory."""

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
    """Accepts None as well as the values that `convert` accepts."""
    return lambda value: None if value is None else convert(value)


def none_as_null(value: str) -> str | None:
    """Turns our "none" into NeMo's null."""
    return None if value == "none" else value


flag = among(True, False)
share = number(0, 1)
size = integer(1, 1 << 14)


def finish_widths(encoder: dict[str, Any]) -> None:
    """Replaces special values of an encoder by their meaning: channels as wide as the model, no output projection.

    Raises:
      ValueError: its width cannot be split into its heads.
    """
    if encoder["width"] % encoder["num_heads"]:
        raise ValueError(f"d_model {encoder['width']} cannot be split into {encoder['num_heads']} heads")
    if encoder.get("subsampling_channels") == -1:
        encoder["subsampling_channels"] = encoder["width"]
    if encoder["output_width"] in (None, -1, 0, encoder["width"]):
        encoder["output_width"] = None
