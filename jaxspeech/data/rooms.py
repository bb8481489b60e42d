"""Rooms with several sources and microphones: simulated, or recorded and listed in a manifest.

    {"audio_filepath": "room00_s0.flac", "room": 0, "source": 0, "direct_filepath": "room00_s0_direct.flac"}

Lines of a manifest with the same "room" are sources in it; a line without is a room by itself. The file's channels are
the microphones. Where lines have a "kind", those of the kind "rir" count. Without "direct_filepath", the direct sound
is what the response holds until DIRECT_SECONDS after its peak.
"""

import math
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.read import read_channels
from jaxspeech.data.files import is_url
from jaxspeech.data.image_source import LEAD, reflections, room_response
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.rng import generator
from jaxspeech.data.room_options import RoomOptions
from jaxspeech.errors import ConfigError, ManifestError

DIRECT_SECONDS, EARLY_SECONDS = 0.0025, 0.05
# Places of a source in a simulated room.
PLACES = 3
# Metres between a source or a microphone and a wall, and how much the logarithms of the walls' factors differ.
FROM_WALL, WALLS = 0.3, 0.3
# Of the random numbers of rooms, apart from those of examples with the same seed.
ROOM_SEED = 2**33


class Response(NamedTuple):
    """The impulse response from a source to the microphones of a room.

    Attributes:
      full: all of it.
      direct: its direct sound.
      start: where the direct sound is at the first microphone, in samples.
    """

    full: Float[np.ndarray, "C M"]
    direct: Float[np.ndarray, "C D"]
    start: int

    def kept(self, keep: str, sample_rate: int) -> Float[np.ndarray, "C D"]:
        """The part of the response that a target has: "all", "early" or "direct"."""
        if keep == "early":
            return self.full[:, : self.start + round(EARLY_SECONDS * sample_rate)]
        return self.direct if keep == "direct" else self.full


class SimulatedRooms:
    """`rooms(rng, count)` draws a simulated room and its responses for `count` sources; thread-safe."""

    def __init__(self, options: RoomOptions, *, channels: int, sample_rate: int, seed: int = 0):
        self._options, self._channels, self._sample_rate, self._seed = options, channels, sample_rate, seed
        self._made: dict[tuple[int, int], Response] = {}
        self._lock = threading.Lock()

    def __call__(self, rng: np.random.Generator, count: int) -> list[Response]:
        number, places = int(rng.integers(self._options.rooms)), rng.permutation(max(PLACES, count))
        return [self._response(number, int(place)) for place in places[:count]]

    def _response(self, number: int, place: int) -> Response:
        found = self._made.get((number, place))
        if found is None:
            found = self.simulate(number, place)
            with self._lock:
                self._made[number, place] = found
        return found

    def simulate(self, number: int, place: int) -> Response:
        """Computes the response of a source in room `number`."""
        options, rng = self._options, generator(self._seed + ROOM_SEED, 0, number)
        sides = np.array([rng.uniform(*side) for side in (options.width, options.length, options.height)])
        rt60 = float(rng.uniform(*options.rt60))
        walls = reflections(sides, rt60) ** np.exp(rng.uniform(-WALLS, WALLS, (3, 2)))
        microphones = _ring(sides, self._channels, float(options.radius), rng)
        rng = generator(self._seed + ROOM_SEED, 0, number, copy=1 + place)
        source = _place_near(microphones.mean(0), sides, options.distance, rng)
        full, direct = room_response(
            sides,
            source,
            microphones,
            walls,
            seconds=rt60,
            sample_rate=self._sample_rate,
            jitter=float(options.jitter),
            rng=rng,
        )
        distances = np.linalg.norm(microphones - source, axis=1)
        late = (distances[0] - distances.min()) / 343.0
        return Response(full, direct, round((LEAD + late) * self._sample_rate))


def _ring(
    sides: Float[np.ndarray, " 3"], channels: int, radius: float, rng: np.random.Generator
) -> Float[np.ndarray, "C 3"]:
    """Microphones on a ring about a random point; one alone is at that point."""
    margin = np.minimum(FROM_WALL + radius, 0.45 * sides)
    centre = rng.uniform(margin, sides - margin)
    if channels == 1:
        return centre[None]
    turn = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(channels) / channels
    return centre + radius * np.stack([np.cos(turn), np.sin(turn), np.zeros(channels)], 1)


def _place_near(
    centre: Float[np.ndarray, " 3"], sides: Float[np.ndarray, " 3"], distance: tuple, rng: np.random.Generator
) -> Float[np.ndarray, " 3"]:
    """A place in the room at a drawn distance from the centre, or less where a wall is nearer."""
    turn, rise, far = rng.uniform(0, 2 * np.pi), rng.uniform(-0.35, 0.35), float(rng.uniform(*distance))
    direction = np.array([math.cos(turn) * math.cos(rise), math.sin(turn) * math.cos(rise), math.sin(rise)])
    low, high = np.minimum(FROM_WALL, 0.4 * sides), sides - np.minimum(FROM_WALL, 0.4 * sides)
    room = np.where(direction > 0, (high - centre) / direction, (low - centre) / direction)
    return centre + direction * max(min(far, float(room.min())), 0.05)


class RecordedRooms:
    """`rooms(rng, count)` draws a room of a manifest and its responses for `count` sources; thread-safe."""

    def __init__(self, path: str, *, channels: int, sample_rate: int):
        """Reads the manifest.

        Raises:
          ConfigError: it holds no room.
          ManifestError: it cannot be used.
        """
        self._manifest, self._channels, self._sample_rate = Manifest(path), channels, sample_rate
        rooms: dict[object, list[int]] = {}
        for index, entry in enumerate(self._manifest):
            if entry.fields.get("kind", "rir") == "rir":
                rooms.setdefault(entry.fields.get("room", f"line {index}"), []).append(index)
        if not rooms:
            raise ConfigError(f"{path}: holds no recording with kind 'rir'")
        self._rooms = list(rooms.values())
        self._read: dict[int, Response] = {}

    def __call__(self, rng: np.random.Generator, count: int) -> list[Response]:
        """Raises AudioError or ManifestError if a response cannot be used."""
        sources = self._rooms[int(rng.integers(len(self._rooms)))]
        order = rng.permutation(len(sources))
        return [self._response(sources[order[i % len(order)]]) for i in range(count)]

    def _response(self, index: int) -> Response:
        found = self._read.get(index)
        if found is None:
            self._read[index] = found = self._load(index)
        return found

    def _load(self, index: int) -> Response:
        entry = self._manifest[index]
        options: Any = {"sample_rate": self._sample_rate}
        full, _ = read_channels(Path(entry.path), offset=entry.offset, duration=entry.duration, **options)
        if len(full) < self._channels:
            raise ManifestError(
                f"{entry.path}: has {len(full)} channel{'s' * (len(full) != 1)}, mixtures.channels is {self._channels}"
            )
        full = full[: self._channels]
        start = int(np.abs(full[0]).argmax())
        named = entry.fields.get("direct_filepath")
        if isinstance(named, str) and not is_url(named):
            direct, _ = read_channels(self._manifest.beside(index, named), **options)
            direct = direct[: self._channels]
            start = int(np.abs(direct[0]).argmax())
        else:
            direct = full[:, : start + round(DIRECT_SECONDS * self._sample_rate) + 1]
        return Response(full, direct, start)


Rooms = SimulatedRooms | RecordedRooms


def open_rooms(rooms: str | RoomOptions, *, channels: int, sample_rate: int, seed: int = 0) -> Rooms:
    """Opens the rooms that a recipe names: a manifest, or how they are simulated."""
    if isinstance(rooms, RoomOptions):
        return SimulatedRooms(rooms, channels=channels, sample_rate=sample_rate, seed=seed)
    return RecordedRooms(rooms, channels=channels, sample_rate=sample_rate)


def in_room(
    samples: Float[np.ndarray, " S"], response: Float[np.ndarray, "C M"], start: int
) -> Float[np.ndarray, "C S"]:
    """Convolves samples with a response; the sound that arrives at `start` is not delayed, and the length is kept."""
    size = 1 << (len(samples) + response.shape[1] - 2).bit_length()  # no wrap-around
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return wet[:, start : start + len(samples)].astype(np.float32)
