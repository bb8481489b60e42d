"""Defines how mixtures of speech, noise and rooms are drawn, and checks it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from jaxspeech.data.room_options import RoomOptions, parse_rooms
from jaxspeech.errors import ConfigError, did_you_mean

Number = int | float
Range = tuple[Number, Number]
# What a target can be of.
TALKER, NOISE = "talker", "noise"
# What of a room a talker's target keeps: all, the first 50 ms of its response, or the direct sound.
KEEPS = ("all", "early", "direct")
RANGES = ("snr_db", "clean_snr_db", "sir_db", "noise_speed", "talkers", "noises")
SHARES = ("clean", "noise_probability", "room_probability", "babble", "generated")


@dataclass(frozen=True, kw_only=True)
class MixtureOptions:
    """How mixtures are drawn; of a range (least, most), everything between its ends is equally likely.

    Ratios are of the root mean squares over the whole mixture, at its first microphone.

    Attributes:
      noise: manifests of noises; of lines with a "kind", those of noise.
      held_out: names of files of these manifests that are used for evaluation alone.
      noise_probability: of a mixture with noise.
      snr_db: ratio of the first talker to the noise.
      clean: share of mixtures whose ratio is drawn from `clean_snr_db` instead, so that a model leaves clean speech as
        it is.
      clean_snr_db: their ratio.
      noises: range of the number of noises that are added up.
      noise_speed: range of the factor by which a noise is sped up; evenly distributed in its logarithm.
      noise_filter_db: range of the gains of a random smooth filter of each noise.
      babble: share of noises that are the sum of several talkers of the training data.
      generated: share of noises that are computed (data/generated_noise.py).
      talkers: range of the number of talkers.
      sir_db: ratio of the first talker to each further one.
      targets: what a model's outputs are: "talker" (the first, the second, ...) or "noise".
      keep: what of the room remains in the talkers' targets, one of KEEPS.
      channels: of the mixture: microphones of the rooms.
      rooms: manifest of impulse responses, or fields of `RoomOptions`; "": none.
      room_probability: of a mixture in a room.
      level_db: range of the level of the first talker relative to full scale; (): as it is recorded.
      sets: for evaluation sets, by name: fields of these options that differ.
    """

    noise: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    noise_probability: Number = 1.0
    snr_db: Range = (-5.0, 15.0)
    clean: Number = 0.0
    clean_snr_db: Range = (25.0, 45.0)
    noises: tuple[int, int] = (1, 1)
    noise_speed: Range = (1.0, 1.0)
    noise_filter_db: Number = 0.0
    babble: Number = 0.0
    generated: Number = 0.0
    talkers: tuple[int, int] = (1, 1)
    sir_db: Range = (0.0, 0.0)
    targets: tuple[str, ...] = (TALKER,)
    keep: str = "all"
    channels: int = 1
    rooms: str | RoomOptions = ""
    room_probability: Number = 1.0
    level_db: tuple[Number, ...] = ()
    sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in RANGES:
            value = getattr(self, name)
            if not _is_range(value):
                raise ConfigError(f"{name} is {value!r}; it is (least, most), two numbers")
        if self.level_db and not _is_range(self.level_db):
            raise ConfigError(f"level_db is {self.level_db!r}; it is (least, most), two numbers, or empty")
        for name in SHARES:
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value <= 1):
                raise ConfigError(f"{name} is {value!r}; it is a share from 0 to 1")
        if not 0.25 <= self.noise_speed[0] <= self.noise_speed[1] <= 4:
            raise ConfigError(f"noise_speed is {self.noise_speed!r}; it is of factors between 0.25 and 4")
        for name in ("talkers", "noises"):
            value = getattr(self, name)
            if not all(isinstance(x, int) for x in value) or value[0] < 1:
                raise ConfigError(f"{name} is {value!r}; it is of numbers of 1 or more")
        if not self.targets or any(target not in (TALKER, NOISE) for target in self.targets):
            raise ConfigError(f"targets is {self.targets!r}; each is {TALKER!r} or {NOISE!r}")
        if self.keep not in KEEPS:
            raise ConfigError(f"keep is {self.keep!r}{did_you_mean(self.keep, KEEPS)}")
        if not isinstance(self.channels, int) or self.channels < 1:
            raise ConfigError(f"channels is {self.channels!r}; it is the number of microphones")
        if self.channels > 1 and (not self.rooms or self.room_probability < 1):
            raise ConfigError(
                f"channels is {self.channels}: several microphones need mixtures.rooms, with "
                "mixtures.room_probability 1"
            )
        if not self.noise and not self.generated and not self.babble and self.noise_probability:
            raise ConfigError("noise is empty; name manifests of noises, or set mixtures.generated above 0")

    def for_set(self, name: str) -> "MixtureOptions":
        """The options of an evaluation set.

        Raises:
          ConfigError: a field is unknown or invalid.
        """
        changed = self.sets.get(name)
        return self if changed is None else parse_mixtures(_as_dict(self) | dict(changed), f"mixtures.sets.{name}")


def parse_mixtures(config: Mapping[str, Any], place: str = "mixtures") -> MixtureOptions:
    """Converts a config's plain values.

    Raises:
      ConfigError: a field is unknown (the message suggests the nearest known one), or a value is invalid.
    """
    names = [entry.name for entry in fields(MixtureOptions)]
    for name in config:
        if name not in names:
            raise ConfigError(f"{place}.{name}: no such field{did_you_mean(name, names)}")
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list | tuple) else v for key, v in config.items()}
    for name in ("noise", "held_out", "targets"):
        if isinstance(given.get(name), str):
            given[name] = (given[name],) if given[name] else ()
    if isinstance(given.get("rooms"), Mapping):
        given["rooms"] = parse_rooms(given["rooms"], f"{place}.rooms") if given["rooms"] else ""
    if not isinstance(given.get("rooms", ""), str | RoomOptions):
        raise ConfigError(f"{place}.rooms is {given['rooms']!r}; it is a manifest, or how rooms are simulated")
    try:
        options = MixtureOptions(**given)
    except ConfigError as error:
        raise ConfigError(f"{place}.{error}") from error
    for name in options.sets:
        options.for_set(name)
    return options


def _as_dict(options: MixtureOptions) -> dict[str, Any]:
    return {entry.name: getattr(options, entry.name) for entry in fields(options)} | {"sets": {}}


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(x, int | float) for x in value)
        and -math.inf < value[0] <= value[1] < math.inf
    )
