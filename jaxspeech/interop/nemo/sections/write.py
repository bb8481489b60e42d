"""Translates the fields of a module of ours to a section of NeMo's configuration: the inverse of `read`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import Section
from jaxspeech.interop.nemo.sections.read import class_name, value_at


def write_section(
    table: Mapping[str, Section],
    base: Mapping[str, Any],
    place: str,
    name: str,
    fields: Mapping[str, Any],
    problems: list[str],
) -> dict[str, Any]:
    """Writes the section `place` of NeMo's configuration.

    Args:
      table: the classes that the part can have, by name.
      base: the configuration that the model came with; if its section has the same class, arguments that no table knows
        are kept.
      place: the keys that lead to the section, in `base` too, with points between them.
      name: of our module.
      fields: of our module.
      problems: collects parts for which NeMo has no class.
    """
    candidates = fitting(table, name, fields)
    if not candidates:
        problems.extend(_unfit(table, name, place, fields) or [f"{name!r} ({place})"])
        return {}
    before = inner(base, place)
    class_before = class_name(before.get("_target_"))
    chosen = class_before if class_before in candidates else candidates[0]
    arguments = arguments_of(table[chosen], fields)
    return merged(
        before if class_before == chosen else {}, {"_target_": f"{table[chosen].package}.{chosen}"} | arguments
    )


def fitting(table: Mapping[str, Section], name: str, fields: Mapping[str, Any]) -> list[str]:
    """The NeMo classes that can represent a module of ours."""
    return [
        class_
        for class_, section in table.items()
        if section.name == name
        and section.fits(fields)
        and all(_data(fields.get(key)) == _data(value) for key, value in section.settles)
    ]


def _unfit(table: Mapping[str, Section], name: str, place: str, fields: Mapping[str, Any]) -> list[str]:
    """The fields for which the only NeMo class of a module does not fit; [] if there are several classes, or none."""
    sections = [section for section in table.values() if section.name == name]
    if len(sections) != 1:
        return []
    settled = {key: value for key, value in sections[0].settles if _data(fields.get(key)) != _data(value)}
    return [f"{place}.{key} {fields.get(key)!r} (there it is {value!r})" for key, value in settled.items()]


def arguments_of(section: Section, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the arguments of a NeMo class; those named section.argument are in a nested section."""
    gathered = section.gather(dict(fields))
    arguments: dict[str, Any] = {}
    for argument in section.arguments:
        if argument.ours is not None:
            *outer, last = argument.nemo.split(".")
            node = arguments
            for key in outer:
                node = node.setdefault(key, {})
            node[last] = _data(argument.back(gathered[argument.ours]))
    return arguments


def fields_of(module: Any) -> dict[str, Any]:
    """The fields of a module or of options."""
    return {field.name: getattr(module, field.name) for field in dataclasses.fields(module)}


def _data(value: Any) -> Any:
    """Converts a value to JSON's types, with lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _data(part) for key, part in value.items()}
    return [_data(part) for part in value] if isinstance(value, (list, tuple)) else value


def inner(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A copy of the section at a place, such as "aux_ctc.decoder"; empty if there is none."""
    section = value_at(config, place)
    return dict(section) if isinstance(section, Mapping) else {}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merges the values of `over` into a copy of `base`, section by section."""
    both = {
        key: merged(base[key], value) if _are_sections(base.get(key), value) else value for key, value in over.items()
    }
    return dict(base) | both


def _are_sections(*values: Any) -> bool:
    return all(isinstance(value, Mapping) for value in values)
