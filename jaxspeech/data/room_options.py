"""Defines how rooms are simulated, and checks it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean

Number = int | float
Range = tuple[Number, Number]
# Seconds of reverberation that are simulated; the number of images grows with the cube.
SHORTEST, LONGEST = 0.1, 1.5
# Of a room, in metres.
LEAST, MOST = 1.5, 50.0


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """How rooms are drawn; of a range (least, most), everything between its ends is equally likely.

    Attributes:
      rooms: number of different rooms; each is computed when it is first drawn, and kept.
      width, length, height: range of the sides of a room, in metres.
      rt60: range of the time in which sound decays by 60 dB, in seconds.
      distance: range of the distance of a talker from the microphones, in metres; less where the room is too small.
      radius: of the ring on which several microphones are, in metres.
      jitter: metres by which the places of echoes differ from those of a perfect box, at most.
    """

    rooms: int = 256
    width: Range = (3.0, 8.0)
    length: Range = (3.0, 10.0)
    height: Range = (2.4, 3.5)
    rt60: Range = (0.15, 0.6)
    distance: Range = (0.3, 3.0)
    radius: Number = 0.05
    jitter: Number = 0.05

    def __post_init__(self) -> None:
        limits = {"width": (LEAST, MOST), "length": (LEAST, MOST), "height": (LEAST, MOST)}
        limits |= {"rt60": (SHORTEST, LONGEST), "distance": (0.05, MOST)}
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not (isinstance(value, tuple) and len(value) == 2 and least <= value[0] <= value[1] <= most):
                raise ConfigError(f"{name} is {value!r}; it is (least, most), two numbers from {least:g} to {most:g}")
        if isinstance(self.rooms, bool) or not isinstance(self.rooms, int) or self.rooms < 1:
            raise ConfigError(f"rooms is {self.rooms!r}; it is the number of different rooms")
        if not 0 <= self.radius <= 0.5 or not 0 <= self.jitter <= 0.5:
            raise ConfigError(f"radius is {self.radius!r}, jitter {self.jitter!r}; both are of 0 to 0.5 metres")


def parse_rooms(config: Mapping[str, Any], place: str) -> RoomOptions:
    """Converts a config's plain values; `place` names them in messages.

    Raises:
      ConfigError: a field is unknown (the message suggests the nearest known one), or a value is invalid.
    """
    names = [entry.name for entry in fields(RoomOptions)]
    for name in config:
        if name not in names:
            raise ConfigError(f"{place}.{name}: no such field{did_you_mean(name, names)}")
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list | tuple) else v for key, v in config.items()}
    try:
        return RoomOptions(**given)
    except ConfigError as error:
        raise ConfigError(f"{place}.{error}") from error
