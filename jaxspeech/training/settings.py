"""Checks the plain settings of a recipe; parts with their own reader (optimizer, data, ...) are checked there."""

from collections.abc import Mapping
from typing import Any

from absl import logging

from jaxspeech.errors import ConfigError

# Which of the evaluated models becomes model.jaxspeech.
CHOICES = ("best", "last")
NUMBERS_OF_STEPS = ("eval_every", "checkpoint_every", "log_every")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Checks the settings that a run reads directly from its recipe.

    A learning rate of 0 is reported, since nothing is learned with it.

    Raises:
      ConfigError: a setting is invalid; the message says what it can be.
    """
    if (choose := settings.get("choose", "best")) not in CHOICES:
        raise ConfigError(f"choose is {choose!r}; it must be {' or '.join(CHOICES)}")
    for name in NUMBERS_OF_STEPS:
        if settings[name] < 1:
            raise ConfigError(f"{name} is {settings[name]}; it must be a number of steps, 1 or more")
    if settings["optimizer"].get("learning_rate") == 0 and settings["steps"]:
        logging.warning("optimizer.learning_rate is 0: no parameter will change, and nothing will be learned")
    for name, seed in {"seed": settings["seed"], "data.seed": settings["data"]["seed"]}.items():
        if seed < 0:
            raise ConfigError(f"{name} is {seed}; it must be 0 or more")
