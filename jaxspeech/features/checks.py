"""Checks the fields of frontends; errors are one line that names the field."""

from collections.abc import Iterable
from typing import Any

from jaxspeech.errors import ConfigError


def check_choice(field: str, value: Any, choices: Iterable[str]) -> None:
    """Raises ConfigError unless `value` is one of `choices`."""
    if value not in (choices := tuple(choices)):
        raise ConfigError(f"unknown {field} {value!r}: choose one of {', '.join(choices)}")


def check_positive(**fields: int) -> None:
    """Raises ConfigError for the first of `fields` that is below 1."""
    for field, value in fields.items():
        if value < 1:
            raise ConfigError(f"{field} {value} must be at least 1")


def check_not_negative(**fields: int | float) -> None:
    """Raises ConfigError for the first of `fields` that is below 0."""
    for field, value in fields.items():
        if value < 0:
            raise ConfigError(f"{field} {value} must not be negative")


def check_band(low_hz: int | float, high_hz: int | float, *, sample_rate: int) -> None:
    """Raises ConfigError unless 0 <= low_hz < high_hz <= half the sample rate."""
    if not 0 <= low_hz < high_hz <= sample_rate / 2:
        raise ConfigError(f"low_hz {low_hz} to high_hz {high_hz} is not a band between 0 and {sample_rate / 2} Hz")
