"""Defines how simulated conversations are drawn, and checks it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from jaxspeech.errors import ConfigError, did_you_mean

Number = int | float
Range = tuple[Number, Number]
# Shorter parts of utterances are no turns, in seconds.
SHORTEST_TURN = 0.3
MOST_OVERLAP, MOST_PAUSES = 0.8, 0.9
# Lowest values of ranges, and highest values of shares.
RANGES = {"speakers": 1, "seconds": 1.0, "turns": SHORTEST_TURN, "gain_db": -math.inf, "snr_db": -math.inf}
SHARES = {
    **{"overlap": MOST_OVERLAP, "pauses": MOST_PAUSES, "change": 1.0},
    **{"room_probability": 1.0, "noise_probability": 1.0},
}


@dataclass(frozen=True, kw_only=True)
class ConversationOptions:
    """How conversations are drawn; of a range (least, most), everything between its ends is equally likely.

    Attributes:
      speakers: range of their number.
      seconds: range of the length of a conversation. It ends earlier where no utterance fits.
      overlap: share of the time with speech in which two speak, or a range of it.
      pauses: share of the time in which nobody speaks, or a range of it.
      turns: range of the seconds of a turn, to which longer utterances are cut; (): turns are whole utterances, so that
        their words are known.
      change: probability that the next turn is of a different speaker.
      speed: factors to choose from for each speaker, which change the voice too.
      gain_db: range of the level of a speaker.
      rooms: manifest of impulse responses, one for each speaker of a conversation; "": none.
      room_probability: of a conversation in a room.
      noise: manifest of noises, one for each conversation; "": none.
      noise_probability: of a conversation with noise.
      snr_db: range of the ratio of speech to noise.
      leave_out: manifests whose speakers take no part, as they are for tests.
    """

    speakers: tuple[int, int] = (2, 3)
    seconds: Range = (90.0, 90.0)
    overlap: Number | Range = 0.1
    pauses: Number | Range = 0.1
    turns: tuple[Number, ...] = ()
    change: Number = 0.9
    speed: tuple[Number, ...] = (1.0,)
    gain_db: Range = (-3.0, 3.0)
    rooms: str = ""
    room_probability: Number = 1.0
    noise: str = ""
    noise_probability: Number = 1.0
    snr_db: Range = (10.0, 30.0)
    leave_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, lowest in RANGES.items():
            value = getattr(self, name)
            if name == "turns" and value == ():
                continue
            if not _is_range(value) or not lowest <= value[0] <= value[1] < math.inf:
                above = f" of {lowest:g} or more" if lowest > -math.inf else ""
                raise ConfigError(f"conversations.{name} is {value!r}; it is (least, most), two numbers{above}")
        for name, most in SHARES.items():
            value = getattr(self, name)
            low, high = value if _is_range(value) else (value, value)
            if not (isinstance(low, int | float) and 0 <= low <= high <= most):
                raise ConfigError(f"conversations.{name} is {value!r}; it is a share from 0 to {most:g}")
        if not self.speed or not all(0.25 <= factor <= 4.0 for factor in self.speed):
            raise ConfigError(f"conversations.speed is {self.speed!r}; it lists factors between 0.25 and 4")


def drawn_share(value: Number | Range, rng: np.random.Generator) -> float:
    """Draws a share from its range."""
    low, high = value if isinstance(value, tuple) else (value, value)
    return float(rng.uniform(low, high))


def parse_conversations(config: Mapping[str, Any]) -> ConversationOptions:
    """Converts a config's plain values.

    Raises:
      ConfigError: a field is unknown (the message suggests the nearest known one), or a value is invalid.
    """
    names = [field.name for field in fields(ConversationOptions)]
    for name in config:
        if name not in names:
            raise ConfigError(f"conversations.{name}: no such field{did_you_mean(name, names)}")
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list | tuple) else v for key, v in config.items()}
    if isinstance(given.get("leave_out"), str):
        given["leave_out"] = (given["leave_out"],)
    return ConversationOptions(**given)


def _is_range(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(x, int | float) for x in value)
