"""A literal table whose entries are imported when they are first asked for."""

import importlib
import operator
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Table(dict[str, V], Generic[V]):
    """A dict whose values may be written as "module:name": one line enters a task, and no other task is imported.

    TASKS: Table[Kind] = Table({"ctc": "jaxspeech.tasks.ctc:CTC"})
    TASKS["ctc"]                                                    # imports jaxspeech.tasks.ctc

    An entry may also be a value itself.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        super().__init__(entries)

    def __getitem__(self, name: str) -> V:
        entry: Any = super().__getitem__(name)
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = operator.attrgetter(attribute)(importlib.import_module(module))
            self[name] = entry
        return entry

    def get(self, name: Any, default: Any = None) -> Any:
        with suppress(KeyError):
            return self[name]
        return default

    def values(self) -> Any:
        return [self[name] for name in self]

    def items(self) -> Any:
        return [(name, self[name]) for name in self]
