"""The option --prompt: what is asked of a model with an attention decoder."""

from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean


def slots_of(prompt: str) -> Any:
    """Reads --prompt: name=value pairs, with commas between them."""
    from jaxspeech.text.prompt_slots import SLOTS

    slots = {}
    for pair in filter(None, prompt.split(",")):
        name, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError(f"--prompt={prompt}: {pair!r} is not name=value")
        if name not in SLOTS:
            raise ConfigError(f"--prompt={prompt}: there is no slot {name!r}{did_you_mean(name, SLOTS)}")
        slots[name] = value
    return slots
