"""Translates heads with a softmax for each language, as AI4Bharat's fork of NeMo writes them (IndicConformer).

    tokenizer: {type: multilingual, langs: {hi: ..., ta: ...}}      in the order of the ids
    decoder: {multisoftmax: true}                                   of a hybrid also aux_ctc.decoder
    joint: {multilingual: true, language_keys: [hi, ta]}

The fork counts the tokens of each language from 0, here they follow one another.
"""

import re
from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.sections.read import value_at
from jaxspeech.interop.nemo.sections.write import inner

KIND = "multilingual"
LANGUAGE = re.compile(r"[A-Za-z0-9_-]{1,32}")
FLAGS = ("decoder.multisoftmax", "aux_ctc.decoder.multisoftmax", "joint.multilingual")


def read_languages(config: Mapping[str, Any], vocab_size: Any, problems: list[str]) -> dict[str, Any]:
    """Returns our field `languages` of a decoder; no field if all tokens share one softmax."""
    given = {place: value_at(config, place) for place in FLAGS}
    if not any(given.values()):
        if value_at(config, "tokenizer.type") == KIND:
            problems.append(f"tokenizer.type {KIND!r} (without decoder.multisoftmax)")
        return {}
    languages = tuple(map(str, inner(config, "tokenizer.langs")))
    needed = [place for place in FLAGS if inner(config, place.rpartition(".")[0])]
    problems += [
        f"{place} {given[place]!r} (its other heads have a softmax for each language)"
        for place in needed
        if not given[place]
    ]
    if not languages or not all(map(LANGUAGE.fullmatch, languages)):
        problems.append(f"tokenizer.langs {list(languages)} (must be the languages, by their codes)")
        return {}
    keys = value_at(config, "joint.language_keys")
    if "joint.multilingual" in needed and (not isinstance(keys, list) or sorted(map(str, keys)) != sorted(languages)):
        problems.append(f"joint.language_keys {keys!r} (must be those of tokenizer.langs)")
    if isinstance(vocab_size, int) and vocab_size % len(languages):
        problems.append(f"{vocab_size} tokens (cannot be split equally among {len(languages)} languages)")
    return {"languages": languages}


def with_languages(source: Source, base: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    """Returns NeMo's sections with what says how many softmaxes the heads have; it is left out if that is one."""
    languages = getattr(source.module.decoder, "languages", ())
    sections = dict(sections)
    if languages:
        sections["tokenizer"] = sections["tokenizer"] | {"type": KIND}
    for place in FLAGS:
        *outer, name, key = place.split(".")
        parent = sections
        for part in (*outer, name):
            if part not in parent:
                break
            parent[part] = parent = dict(parent[part])
        else:
            parent.pop(key, None)
            if languages:
                parent[key] = True
    if "joint" in sections:
        before = value_at(base, "joint.language_keys")
        kept = isinstance(before, list) and sorted(before) == sorted(languages)
        sections["joint"].pop("language_keys", None)
        sections["joint"] |= {"language_keys": before if kept else list(languages)} if languages else {}
    return sections


def language_remarks(source: Source) -> list[str]:
    """Says who can restore such a file."""
    if not getattr(source.module.decoder, "languages", ()):
        return []
    return ["NeMo has no softmax for each language: only AI4Bharat's fork of it restores the file"]
