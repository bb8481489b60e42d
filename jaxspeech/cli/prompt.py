"""The options --prompt and --target_lang: what is asked of a model."""

from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean


def slots_of(prompt: str, target_lang: str | None = None) -> Any:
    """Reads --prompt, name=value pairs with commas between them, and --target_lang."""
    from jaxspeech.text.prompt_slots import SLOTS

    slots = {} if target_lang is None else {"target_lang": target_lang}
    for pair in filter(None, prompt.split(",")):
        name, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError(f"--prompt={prompt}: {pair!r} is not name=value")
        if name not in SLOTS:
            raise ConfigError(f"--prompt={prompt}: there is no slot {name!r}{did_you_mean(name, SLOTS)}")
        if name in slots:
            raise ConfigError(f"--prompt={prompt}: {name} is given twice")
        slots[name] = value
    return slots
