"""Reads and writes model_config.yaml: plain data, spelled as OmegaConf, which NeMo uses, spells it.

OmegaConf reads 1e-3 as a number and a date as a text; PyYAML by itself does the opposite. Aliases are expanded, up to a
limit: a few hundred bytes of aliases of aliases can stand for gigabytes ("billion laughs").
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from jaxspeech.errors import ArchiveError

CONFIG = "model_config.yaml"
LARGEST_CONFIG_BYTES, DEEPEST_CONFIG = 1 << 24, 50
FLOAT, TIMESTAMP = "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"
# OmegaConf's spellings: digits with a point, an exponent or both; base 60; infinity; not a number.
NUMBER = re.compile(
    r"""^(?:
    [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it


class _Loader(SafeLoader):
    """Recognises plain values as OmegaConf does."""


class _Dumper(yaml.SafeDumper):
    """Quotes texts that OmegaConf would read as numbers; writes a list in full wherever it is used, not an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind in (_Loader, _Dumper):
    _kind.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if tag not in (FLOAT, TIMESTAMP)]
        for first, rules in _kind.yaml_implicit_resolvers.items()
    }
    _kind.add_implicit_resolver(FLOAT, NUMBER, list("-+0123456789."))


def parse_yaml(content: bytes) -> dict[str, Any]:
    """Parses a configuration: no tags, no deep nesting, and aliases only as long as the whole stays small.

    Raises:
      ArchiveError: it is not a mapping of plain data, or exceeds a limit.
    """
    if len(content) > LARGEST_CONFIG_BYTES:
        raise ArchiveError(f"{CONFIG} has {len(content)} bytes")
    try:
        _check_size(yaml.parse(content, Loader=_Loader))
        config = yaml.load(content, Loader=_Loader)
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{CONFIG}: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise ArchiveError(f"{CONFIG} is not a mapping")
    return config


def to_yaml(config: Mapping[str, Any]) -> bytes:
    """Writes a configuration."""
    return yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True).encode()


class _Node:
    """A value that is being read: its anchor, and its size (a character or a value each count 1) and depth so far."""

    def __init__(self, anchor: str | None, size: int):
        self.anchor, self.size, self.depth = anchor, size, 1


def _check_size(events: Iterable[Any]) -> None:
    """Measures the data with every alias expanded, without expanding any.

    Raises:
      ArchiveError: it is too large or too deep, or an alias stands inside the value that it names.
    """
    anchors: dict[str, tuple[int, int]] = {}
    whole = _Node(None, 0)
    opened = [whole]

    def close(node: _Node) -> None:
        if node.anchor is not None:
            anchors[node.anchor] = node.size, node.depth
        add(node.size, node.depth)

    def add(size: int, depth: int) -> None:
        parent = opened[-1]
        parent.size, parent.depth = parent.size + size, max(parent.depth, depth + 1)
        if parent.size > LARGEST_CONFIG_BYTES:
            raise ArchiveError(f"{CONFIG} has aliases that expand to more than {LARGEST_CONFIG_BYTES} bytes: refused")
        if len(opened) + depth > DEEPEST_CONFIG + 1:
            raise ArchiveError(f"{CONFIG} is nested more than {DEEPEST_CONFIG} deep")

    for event in events:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise ArchiveError(f"{CONFIG} has an alias, {event.anchor!r}, inside what it names or before it")
            add(*anchors[event.anchor])
        elif isinstance(event, yaml.ScalarEvent):
            close(_Node(event.anchor, 1 + len(event.value)))
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Node(event.anchor, 1))
            if len(opened) > DEEPEST_CONFIG + 1:
                raise ArchiveError(f"{CONFIG} is nested more than {DEEPEST_CONFIG} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            close(opened.pop())
