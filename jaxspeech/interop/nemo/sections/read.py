"""Translates a section of NeMo's configuration to the fields of a module of ours.

Each value that has no counterpart here, and each argument that no table knows, is added to `problems`, a list of places
with reasons, so that one error can report all of them.
"""

import reprlib
from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import Required, Section


def read_section(
    table: Mapping[str, Section], config: Mapping[str, Any], place: str, problems: list[str]
) -> dict[str, Any]:
    """Reads our fields for one part of NeMo's model, with the `name` of our module.

    Args:
      table: the classes that the part can have, by name.
      config: all of NeMo's configuration, so that errors name the section's full place.
      place: the keys that lead to the section, with points between them.
    """
    given = value_at(config, place)
    if not isinstance(given, Mapping):
        problems.append(f"{place} is missing")
        return {}
    name = class_name(given.get("_target_"))
    if name not in table:
        problems.append(f"{place}._target_ {name} (can be {', '.join(table)})")
        return {}
    section = table[name]
    return ({"name": section.name} if section.name else {}) | read_arguments(section, given, place, problems)


def read_arguments(section: Section, given: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    """Reads our fields for the arguments of one class."""
    nested = {argument.nemo.partition(".")[0] for argument in section.arguments if "." in argument.nemo}
    given, problems_before = dict(given), len(problems)
    for name in nested:
        inner = given.pop(name, None) or {}
        if isinstance(inner, Mapping):
            given |= {f"{name}.{key}": value for key, value in inner.items()}
        else:
            problems.append(f"{place}.{name} {inner!r} (must be a section)")
    fields = dict(section.settles)
    known = {argument.nemo for argument in section.arguments} | section.without_effect | {"_target_"}
    problems += [f"{place}.{name} (unknown)" for name in given if name not in known]
    for argument in section.arguments:
        value = given.get(argument.nemo, argument.default)
        try:
            if value is Required:
                raise ValueError("is missing")
            converted = argument.convert(value)
        except (ValueError, TypeError, AttributeError) as error:
            shown = "" if value is Required else f"{reprlib.repr(value)} "
            problems.append(f"{place}.{argument.nemo} {shown}({error})")
            continue
        if argument.ours is not None:
            fields[argument.ours] = converted
    if len(problems) == problems_before:
        try:
            section.finish(fields)
        except ValueError as error:
            problems.append(f"{place}.{error}")
    return fields


def optional_section(config: Mapping[str, Any], place: str, problems: list[str]) -> Mapping[str, Any]:
    """Reads a section, whose place is as in `read_section`; it is empty if it is missing or null."""
    section = value_at(config, place) or {}
    if isinstance(section, Mapping):
        return section
    problems.append(f"{place} {section!r} (must be a section)")
    return {}


def value_at(config: Any, place: str) -> Any:
    """Returns the value at keys with points between them; None if there is none."""
    for key in place.split("."):
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def class_name(target: Any) -> str:
    """The class that a `target` or `_target_` names, without its module, which differs between versions of NeMo."""
    return str(target).rpartition(".")[2]
