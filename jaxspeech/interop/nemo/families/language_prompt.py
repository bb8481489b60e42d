"""Translates the language prompt of NeMo's classes "...WithPrompt".

    model_defaults: {initialize_prompt_feature: true, num_prompts: 128, prompt_dictionary: {en-US: 0, auto: 101}}

Without `initialize_prompt_feature` NeMo builds, and restores, such a class without its prompt.
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.sections.arguments import flag, integer
from jaxspeech.interop.nemo.sections.read import class_name
from jaxspeech.interop.nemo.sections.write import inner
from jaxspeech.interop.nemo.weights.rows import TensorRow, linear
from jaxspeech.text.language_names import LanguageNames

DEFAULTS, DICTIONARY, PROMPTS = "model_defaults", "prompt_dictionary", "num_prompts"
SWITCH = "initialize_prompt_feature"
MOST_PROMPTS = 100_000


def is_prompted(name: str) -> bool:
    """Returns whether NeMo's class of this name has a language prompt."""
    return name.endswith("WithPrompt")


def read_language_prompt(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Returns our section `language_prompt`; no section if there is no prompt."""
    defaults = inner(config, DEFAULTS)
    try:
        if not is_prompted(class_name(config.get("target"))) or not flag(defaults.get(SWITCH, False)):
            return {}
    except ValueError as error:
        problems.append(f"{DEFAULTS}.{SWITCH} {defaults[SWITCH]!r} ({error})")
        return {}
    number = defaults.get(PROMPTS, 128)
    names = defaults.get(DICTIONARY) or {}
    try:
        number = integer(1, MOST_PROMPTS)(number)
    except ValueError as error:
        problems.append(f"{DEFAULTS}.{PROMPTS} {number!r} ({error})")
        return {}
    if not isinstance(names, Mapping):
        problems.append(f"{DEFAULTS}.{DICTIONARY} {names!r} (must be the number of each language's prompt)")
        return {}
    for name, place in names.items():
        try:
            integer(0, number - 1)(place)
        except ValueError as error:
            problems.append(f"{DEFAULTS}.{DICTIONARY}.{name} {place!r} ({error})")
    return {"language_prompt": {PROMPTS: number}}


def prompt_assets(config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the names of the languages, if our configuration has a language prompt."""
    if not model.get("language_prompt"):
        return {}
    names = inner(config, DEFAULTS).get(DICTIONARY) or {}
    return {"prompt": LanguageNames({str(name): int(place) for name, place in names.items()})}


def prompt_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of the prompt's projections; the activation is between them."""
    if not model.get("language_prompt"):
        return []
    path = "params/language_prompt"
    return linear("prompt_kernel.0", f"{path}/up") + linear("prompt_kernel.2", f"{path}/down")


def prompt_defaults(source: Source, base: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what NeMo's `model_defaults` say of the prompt."""
    prompt = getattr(source.module, "language_prompt", None)
    if prompt is None:
        return {SWITCH: False} if SWITCH in inner(base, DEFAULTS) else {}
    names = source.assets["prompt"].languages_by_name if "prompt" in source.assets else {}
    return {SWITCH: True, PROMPTS: prompt.num_prompts, DICTIONARY: dict(names)}
