"""One section of the peer's configuration out of the fields of a module of ours: the tables, read the other way."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.arguments import Section

MODULES = "nemo.collections.asr.modules"


def nemo_section(
    table: Mapping[str, Section],
    base: Mapping[str, Any],
    name: str,
    fields: Mapping[str, Any],
    place: str,
    problems: list[str],
) -> dict[str, Any]:
    """The section `place` of the peer, which says more where `base` is of the same class."""
    candidates = fitting(table, name, fields)
    if not candidates:
        problems.append(f"{name!r} ({place})")
        return {}
    before = str(base.get("_target_")).rpartition(".")[2]
    chosen = before if before in candidates else candidates[0]
    arguments = arguments_of(table[chosen], fields)
    return merged(base if before == chosen else {}, {"_target_": f"{MODULES}.{chosen}"} | arguments)


def fitting(table: Mapping[str, Section], name: str, fields: Mapping[str, Any]) -> list[str]:
    """The classes of the peer that can stand for a module of ours."""
    return [
        peer
        for peer, section in table.items()
        if section.name == name and all(_data(fields.get(key)) == _data(value) for key, value in section.settles)
    ]


def arguments_of(section: Section, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a class of the peer; those named section.argument are in a section of their own."""
    gathered = section.gather(dict(fields))
    arguments: dict[str, Any] = {}
    for row in section.rows:
        if row.ours is not None:
            *outer, last = row.peer.split(".")
            node = arguments
            for key in outer:
                node = node.setdefault(key, {})
            node[last] = _data(row.back(gathered[row.ours]))
    return arguments


def fields_of(module: Any) -> dict[str, Any]:
    """The fields of a module or of options."""
    return {field.name: getattr(module, field.name) for field in dataclasses.fields(module)}


def _data(value: Any) -> Any:
    """As JSON would have it: no tuples."""
    if isinstance(value, Mapping):
        return {key: _data(part) for key, part in value.items()}
    return [_data(part) for part in value] if isinstance(value, (list, tuple)) else value


def inner(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A section, empty where there is none."""
    section = config.get(key)
    return dict(section) if isinstance(section, Mapping) else {}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` before `base`, in the sections of both too."""
    both = {
        key: merged(base[key], value) if _are_sections(base.get(key), value) else value for key, value in over.items()
    }
    return dict(base) | both


def _are_sections(*values: Any) -> bool:
    return all(isinstance(value, Mapping) for value in values)
