"""Keeps the lines of a manifest whose fields are as a recipe says.

    data.keep = {"cer": (None, 0.1), "lang": ("en", "de"), "checked": True, "scores.snr": (10, None)}

A pair of numbers is the least and the most (None: no limit), texts are the values among which a field must be, and a
single value is the only one. A dot leads into an object. A line that lacks the field is left out.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from jaxtyping import Bool

from jaxspeech.errors import ConfigError
from jaxspeech.manifest_lines import parse_line

NOTHING = object()


class Rule(NamedTuple):
    """What one field must be.

    Attributes:
      field: its name; a dot leads into an object.
      least, most: of a number.
      values: among which it must be; empty: it must be a number from `least` to `most`.
    """

    field: str
    least: float = -math.inf
    most: float = math.inf
    values: tuple[Any, ...] = ()

    def fault(self, fields: Mapping[str, Any]) -> str:
        """Why a line with these fields is left out; "" if it is kept."""
        value = _value(fields, self.field)
        if value is NOTHING or value is None:
            return f"without {self.field}"
        if self.values:
            known = any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in self.values)
            return "" if known else f"whose {self.field} is not {' or '.join(map(repr, self.values))}"
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            return f"whose {self.field} is not a number"
        if value < self.least:
            return f"whose {self.field} is below {self.least:g}"
        return f"whose {self.field} is above {self.most:g}" if value > self.most else ""


def parse_keep(keep: Any) -> tuple[Rule, ...]:
    """Read the rules of `data.keep`.

    Raises:
      ConfigError: names a field whose rule is none.
    """
    if keep and not isinstance(keep, Mapping):
        raise ConfigError(
            f'data.keep is {keep!r}; it says what fields must be: {{"cer": (None, 0.1), "lang": ("en",)}}'
        )
    return tuple(_rule(field, wanted) for field, wanted in dict(keep or {}).items())


def kept_lines(lines: Iterable[bytes], rules: Sequence[Rule]) -> tuple[Bool[np.ndarray, " N"], Counter[str]]:
    """Find which lines are kept, and how many are left out for which reason: of several, the first rule's.

    Args:
      lines: of a manifest.
      rules: all of which a line must follow.
    """
    decoder = _decoder(rules)
    kept, reasons = [], Counter[str]()
    for line in lines:
        try:
            fields: Any = decoder.decode(line)
        except msgspec.MsgspecError:  # a mark at its beginning, or numbers that only Python reads
            fields = parse_line(line)
        fault = next(filter(None, (rule.fault(fields) for rule in rules)), "")
        kept.append(not fault)
        if fault:
            reasons[fault] += 1
    return np.array(kept, bool), reasons


def _rule(field: str, wanted: Any) -> Rule:
    if isinstance(wanted, str | bool | int | float):
        return Rule(field, values=(wanted,))
    if isinstance(wanted, list | tuple) and wanted and all(isinstance(value, str) for value in wanted):
        return Rule(field, values=tuple(wanted))
    if isinstance(wanted, list | tuple) and len(wanted) == 2 and all(_is_bound(value) for value in wanted):
        least, most = wanted
        return Rule(field, -math.inf if least is None else float(least), math.inf if most is None else float(most))
    raise ConfigError(
        f"data.keep.{field} is {wanted!r}; it is (least, most), with None for no limit, texts among which it must be, "
        "or a single value"
    )


def _is_bound(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _value(fields: Mapping[str, Any], name: str) -> Any:
    if name in fields:
        return fields[name]
    first, dot, rest = name.partition(".")
    inner = fields.get(first) if dot else None
    return _value(inner, rest) if isinstance(inner, Mapping) else NOTHING


class _Reader:
    """Reads the fields of lines that rules name, and no others."""

    def __init__(self, names: Sequence[str]):
        self._names = {f"field_{i}": name for i, name in enumerate(names)}
        fields: list[Any] = [(field, Any, msgspec.UNSET) for field in self._names]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Kept", fields, rename=self._names, gc=False))

    def decode(self, line: bytes) -> dict[str, Any]:
        """The fields; raises msgspec.MsgspecError."""
        found = self._decoder.decode(line)
        values = ((name, getattr(found, field)) for field, name in self._names.items())
        return {name: value for name, value in values if value is not msgspec.UNSET}


def _decoder(rules: Sequence[Rule]) -> _Reader:
    return _Reader(list(dict.fromkeys(n for rule in rules for n in (rule.field, rule.field.partition(".")[0]))))
