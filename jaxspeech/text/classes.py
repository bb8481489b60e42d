"""Holds the names of classes, in the order of a model's outputs: words of a command, languages, speakers."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.text.canonical import compose

NAMES, WEIGHTS = "names.json", "weights.json"


class Classes:
    """An asset: `names[i]` is the class of output i.

    Attributes:
      names: all different.
      weights: how much an example of each class counts in a loss; () if all count the same.
      numbers: name -> i.
    """

    def __init__(self, names: Iterable[str], weights: Iterable[int | float] = ()):
        """Takes the names in the order of the outputs.

        Raises:
          ConfigError: there is no name, or two are equal, or the weights do not fit the names.
        """
        self.names = tuple(compose(name) for name in names)
        self.weights = tuple(float(weight) for weight in weights)
        self.numbers = {name: number for number, name in enumerate(self.names)}
        if not self.names or not all(self.names):
            raise ConfigError("classes need at least one name, and none may be empty")
        if len(self.numbers) < len(self.names):
            twice = next(name for i, name in enumerate(self.names) if self.numbers[name] != i)
            raise ConfigError(f"two classes have the name {twice!r}")
        if self.weights and len(self.weights) != len(self.names):
            raise ConfigError(f"there are {len(self.weights)} weights of classes for {len(self.names)} names")
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights):
            raise ConfigError("the weights of classes must be numbers, 0 or more")

    def __len__(self) -> int:
        return len(self.names)

    def config(self) -> dict[str, Any]:
        """Returns the number of classes."""
        return {"count": len(self.names)}

    def files(self) -> dict[str, bytes]:
        """Returns the names and, if there are any, the weights, as JSON lists."""
        files = {NAMES: json.dumps(self.names, ensure_ascii=False).encode()}
        return files | ({WEIGHTS: json.dumps(self.weights).encode()} if self.weights else {})

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "Classes":
        """Makes the asset from its config and its files.

        Raises:
          ArchiveError: they are damaged, or do not fit each other.
        """
        try:
            classes = cls(json.loads(files[NAMES]), json.loads(files.get(WEIGHTS, b"[]")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArchiveError(f"the names of its classes cannot be read ({error})") from error
        if config.get("count") != len(classes):
            raise ArchiveError(f"it has names for {len(classes)} classes, not for {config.get('count')}")
        return classes


def class_name(fields: Mapping[str, Any], field: str) -> str | None:
    """Returns the name of an example's class: a text without the space around it, or a number as it is written.

    Args:
      fields: of a manifest's line.
      field: that holds the name; without a "label", the "command" is it, as in NeMo.

    Returns:
      None if the field is missing, empty, or anything else.
    """
    value = fields.get(field)
    if value is None and field == "label":
        value = fields.get("command")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return (compose(value.strip()) or None) if isinstance(value, str) else None
