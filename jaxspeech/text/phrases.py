"""Reads lists of phrases that a recogniser should prefer: names, products, terms.

["Kowalczyk", ("Czerwone Wierchy", 2.0), {"phrase": "IBM", "exact": true}]       a list
{"Kowalczyk": 1.0, "uhm": -2.0}                                                  phrases with weights
names.txt      a phrase on each line, and its weight after a tab ("Kowalczyk<tab>2") or a colon ("Kowalczyk :2")
names.json     one of the lists above; names.jsonl: an entry on each line
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.text.canonical import compose, is_blank

KEYS = ("phrase", "weight", "lang", "exact")
# What some tools call these.
_ALIASES = {"text": "phrase", "language": "lang", "score": "weight", "boost": "weight"}


# Weights are at most so large: a log-probability is rarely below -100.
MOST_WEIGHT = 1e4


class Phrase(NamedTuple):
    """A phrase to prefer.

    Attributes:
      text: as it is written.
      weight: how much; less than 0 to avoid it.
      language: that it is spelled in, for a multilingual tokenizer; None: in every one that can spell it.
      exact: whether it is only preferred as it is written, not in other cases.
    """

    text: str
    weight: float = 1.0
    language: str | None = None
    exact: bool = False


def read_phrases(boost: Any) -> tuple[Phrase, ...]:
    """Returns the phrases of a list or of a file, each once, in order: the last of equal ones has its weight.

    Args:
      boost: a list as above, or the path of a file.

    Raises:
      ConfigError: it cannot be read; the message is one line with the place.
    """
    phrases = _read_file(Path(boost)) if isinstance(boost, str | os.PathLike) else _of_list(boost, "boost")
    found = {(phrase.text, phrase.language): phrase for phrase in phrases}
    return tuple(found.values())


def _read_file(path: Path) -> Iterator[Phrase]:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"boost: {path} cannot be read ({error.strerror or error}); phrases themselves are given as a list"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"boost: {path} is not UTF-8 text (byte {error.start})") from None
    suffix = path.suffix.lower()
    if suffix == ".json" and content.lstrip()[:1] in ("[", "{"):
        yield from _of_list(_json(content, str(path)), str(path))
        return
    for number, line in enumerate(content.splitlines(), 1):
        if is_blank(line):
            continue
        place = f"{path}:{number}"
        if suffix in (".json", ".jsonl"):
            yield _of_entry(_json(line, place), place)
        else:
            yield _of_line(line, place)


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"boost: {place}: not JSON: {error}") from None


def _of_line(line: str, place: str) -> Phrase:
    text, tab, weight = line.partition("\t")
    if not tab:
        start, colon, end = line.rpartition(" :")
        text, weight = (start, end) if colon and _is_number(end) else (line, "")
    return _phrase(text, weight.strip() or 1.0, place)


def _of_list(given: Any, place: str) -> Iterator[Phrase]:
    if isinstance(given, Mapping):
        given = given.items()
    elif isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ConfigError(f"boost: {place} is {given!r:.60}; give a list of phrases, or phrases with weights")
    for i, entry in enumerate(given, 1):
        yield _of_entry(entry, f"{place}, entry {i}")


def _of_entry(entry: Any, place: str) -> Phrase:
    if isinstance(entry, Phrase):
        return _phrase(entry.text, entry.weight, place)._replace(language=entry.language, exact=entry.exact)
    if isinstance(entry, str):
        return _phrase(entry, 1.0, place)
    if isinstance(entry, tuple | list) and len(entry) == 2:
        text, weight = entry
        return _phrase(text, weight, place)
    if not isinstance(entry, Mapping):
        raise ConfigError(f"boost: {place}: {entry!r:.60} is no phrase; it can be text, (text, weight) or {KEYS}")
    fields = {_ALIASES.get(name, name): value for name, value in entry.items()}
    for name in fields:
        if name not in KEYS:
            raise ConfigError(f"boost: {place}: {name!r}{did_you_mean(str(name), KEYS)}")
    language, exact = fields.get("lang"), fields.get("exact", False)
    if not isinstance(language, str | None) or not isinstance(exact, bool):
        raise ConfigError(f"boost: {place}: lang is {language!r} and exact {exact!r}; they are text, and true or false")
    found = _phrase(fields.get("phrase"), fields.get("weight", 1.0), place)
    return found._replace(language=language, exact=exact)


def _phrase(text: Any, weight: Any, place: str) -> Phrase:
    if not isinstance(text, str) or is_blank(text):
        raise ConfigError(f"boost: {place}: the phrase is {text!r:.60}, not text")
    if isinstance(weight, bool) or not _is_number(weight):
        raise ConfigError(f"boost: {place}: the weight of {text!r:.60} is {weight!r:.60}, not a number")
    if abs(float(weight)) > MOST_WEIGHT:
        raise ConfigError(f"boost: {place}: the weight of {text!r:.60} is {weight!r:.60}; the most is {MOST_WEIGHT:g}")
    return Phrase(" ".join(compose(text).split()), float(weight))


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False
