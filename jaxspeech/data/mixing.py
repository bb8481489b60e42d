"""Mixes an utterance with recorded noise or with other utterances, so that a model learns to hear it nevertheless.

y = x + g n,    g = sqrt(E(x) / (10^(r/10) E(n)))                                    E: mean square, r: a ratio in dB

n is silent but for segments of the noise, or of the other utterances, that cover a share of x. With the level
"utterance", E(n) is taken over all of x, silence included, so that n is louder than r where it sounds; with "source",
it is that of the recording that the segments are cut from. These are NeMo's MultiSpeakerNoiseAugmentation and
SpeakerNoiseAugmentation (Chen et al., "WavLM", 2022, section IV.A). NeMo draws from the batch, and adds noise at its
own level to the utterances that its probability passes over, too; here these stay as they are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.data.augment import recordings_of_kind
from jaxspeech.data.decode import Decoder
from jaxspeech.errors import ConfigError, did_you_mean

Number = int | float
Range = tuple[Number, Number]
UTTERANCE, SOURCE = "utterance", "source"
CACHE_BYTES = 2**28
# Draws after which an utterance of the same speaker is taken, too.
TRIES = 8


@dataclass(frozen=True, kw_only=True)
class MixingOptions:
    """The `mixing` part of a recipe; of a range (least, most), everything between its ends is equally likely.

    Attributes:
      noise: manifests of noises; of lines with a "kind", those of noise.
      probability: that an utterance is mixed at all.
      noise_share: share of the mixed ones that get noise; the others get other utterances.
      noise_db, speech_db: range of the ratio r of the utterance to noise, and to other utterances.
      share: range of the share of the utterance over which they sound.
      segments: range of the number of segments into which that is split at random.
      speakers: range of the number of other utterances that the segments are of.
      level: what E(n) is taken over, "utterance" or "source".
    """

    noise: tuple[str, ...] = ()
    probability: Number = 0.5
    noise_share: Number = 0.5
    noise_db: Range = (-5.0, 20.0)
    speech_db: Range = (-5.0, 5.0)
    share: Range = (0.5, 0.5)
    segments: tuple[int, int] = (1, 1)
    speakers: tuple[int, int] = (1, 1)
    level: str = UTTERANCE

    def __post_init__(self) -> None:
        for name in ("probability", "noise_share"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value <= 1):
                raise ConfigError(f"{name} is {value!r}; it is a share from 0 to 1")
        for name, least, most in (("noise_db", -math.inf, math.inf), ("speech_db", -math.inf, math.inf)):
            self._check_range(name, least, most)
        self._check_range("share", 0, 1)
        for name in ("segments", "speakers"):
            self._check_range(name, 1, math.inf)
            if not all(isinstance(value, int) for value in getattr(self, name)):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it is of whole numbers")
        if self.level not in (UTTERANCE, SOURCE):
            raise ConfigError(f"level is {self.level!r}{did_you_mean(str(self.level), (UTTERANCE, SOURCE))}")
        if self.noise_share and self.probability and not self.noise:
            raise ConfigError("noise is empty; name manifests of noises, or set mixing.noise_share to 0")

    def _check_range(self, name: str, least: Number, most: Number) -> None:
        value = getattr(self, name)
        pair = isinstance(value, tuple) and len(value) == 2 and all(isinstance(x, int | float) for x in value)
        if not (pair and least <= value[0] <= value[1] <= most and all(map(math.isfinite, value))):
            between = "" if least == -math.inf else f", from {least:g}" + f" to {most:g}" * math.isfinite(most)
            raise ConfigError(f"{name} is {value!r}; it is (least, most), two numbers{between}")


def parse_mixing(config: Mapping[str, Any]) -> MixingOptions:
    """Converts a recipe's plain values.

    Raises:
      ConfigError: a field is unknown (the message suggests the nearest known one), or a value is invalid.
    """
    names = [field.name for field in fields(MixingOptions)]
    for name in config:
        if name not in names:
            raise ConfigError(f"mixing.{name}: no such field{did_you_mean(name, names)}")
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list | tuple) else v for key, v in config.items()}
    if isinstance(given.get("noise"), str):
        given["noise"] = (given["noise"],) if given["noise"] else ()
    try:
        return MixingOptions(**given)
    except ConfigError as error:
        raise ConfigError(f"mixing.{error}") from error


class Segment(NamedTuple):
    """A part of a source: `length` samples from `start`, from the beginning again at its end, heard from `place` on."""

    source: int
    start: int
    place: int
    length: int


def mix(
    samples: Float[np.ndarray, " S"],
    sources: Sequence[Float[np.ndarray, " _"]],
    segments: Sequence[Segment],
    *,
    ratio_db: Number,
    level: str = UTTERANCE,
) -> Float[np.ndarray, " S"]:
    """Returns y.

    Args:
      samples: x.
      sources: the recordings that the segments are cut from, none empty.
      segments: what n consists of; they must lie within x.
      ratio_db: r.
      level: see `MixingOptions`.
    """
    added = np.zeros_like(samples)
    heard: Float[np.ndarray, " _"] = added
    for segment in segments:
        source = sources[segment.source]
        part = source[(segment.start + np.arange(segment.length)) % len(source)]
        added[segment.place : segment.place + segment.length] = part
        if level == SOURCE:
            heard = source if len(source) > segment.length else part
    energy, other = _energy(samples), _energy(heard)
    if not other:
        return samples
    return samples + added * np.float32(math.sqrt(energy / (10 ** (ratio_db / 10) * other)))


def _energy(samples: Float[np.ndarray, " S"]) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0


class Mixer:
    """`mixer(samples, rng, ...)` draws what to mix an utterance with. Safe to call from any thread.

    Attributes:
      content: describes the noises.
    """

    def __init__(self, options: MixingOptions, *, speech: Decoder):
        """Opens the manifests of noises.

        Args:
          options: how mixtures are drawn.
          speech: the utterances to mix with.

        Raises:
          ConfigError: the manifests have no noise.
          ManifestError: a manifest cannot be used.
        """
        self._options, self._speech = options, speech
        rate = speech.sample_rate
        self._noises = [recordings_of_kind(path, "noise", rate, CACHE_BYTES) for path in options.noise]
        self._counts = np.cumsum([len(noises.manifest) for noises in self._noises])
        self.content = "; ".join(noises.manifest.content for noises in self._noises)
        shards = speech.manifest.shards
        # Of streamed tars only one is at hand at a time: the others of the same one can be read without waiting.
        self._shards = None if shards is None else (np.argsort(shards, kind="stable"), np.sort(shards), shards)

    def __call__(
        self, samples: Float[np.ndarray, " S"], rng: np.random.Generator, *, example: int
    ) -> Float[np.ndarray, " S"]:
        """Returns a mixture as long as the utterance, or the utterance.

        Args:
          samples: the utterance.
          rng: its own random numbers.
          example: its number among the utterances, which is not mixed with itself.

        Raises:
          AudioError: a recording cannot be read.
        """
        options = self._options
        if not len(samples) or rng.random() >= options.probability:
            return samples
        lengths, places = _spans(rng, options, len(samples))
        if rng.random() < options.noise_share:
            sources, ratio = [self._noise(rng)], options.noise_db
            starts = int(rng.integers(max(len(sources[0]), 1))) + np.cumsum([0, *lengths[:-1]])
            segments = [Segment(0, int(s), p, n) for s, p, n in zip(starts, places, lengths, strict=True)]
        else:
            sources, ratio = self._others(rng, example), options.speech_db
            segments = []
            for number, (place, length) in enumerate(zip(places, lengths, strict=True)):
                if not sources:
                    break
                of = number if number < len(sources) else int(rng.integers(len(sources)))
                start = int(rng.integers(max(len(sources[of]) - length, 0) + 1))
                segments.append(Segment(of, start, place, length))
        ratio_db = float(rng.uniform(*ratio))
        if not all(len(source) for source in sources):
            return samples
        return mix(samples, sources, segments, ratio_db=ratio_db, level=options.level)

    def _noise(self, rng: np.random.Generator) -> Float[np.ndarray, " _"]:
        number = int(rng.integers(self._counts[-1]))
        manifest = int(np.searchsorted(self._counts, number, side="right"))
        return self._noises[manifest](number - int(self._counts[manifest] - len(self._noises[manifest].manifest)))

    def _others(self, rng: np.random.Generator, example: int) -> list[Float[np.ndarray, " _"]]:
        """Different utterances, of other speakers where speakers are known and there are some."""
        manifest, speaker = self._speech.manifest, self._speech.manifest[example].fields.get("speaker")
        first, count = 0, len(manifest)
        if self._shards is not None:
            _, ordered, shards = self._shards
            first, last = np.searchsorted(ordered, [shards[example], shards[example] + 1])
            count = last - first
        found: list[int] = []
        for _ in range(int(rng.integers(self._options.speakers[0], self._options.speakers[1] + 1))):
            chosen = None
            for _ in range(TRIES):
                drawn = int(first + rng.integers(count))
                drawn = drawn if self._shards is None else int(self._shards[0][drawn])
                if drawn == example or drawn in found:
                    continue
                chosen = drawn
                if speaker is None or manifest[drawn].fields.get("speaker") != speaker:
                    break
            found += [] if chosen is None else [chosen]
        return [self._speech(other) for other in found]


def _spans(rng: np.random.Generator, options: MixingOptions, size: int) -> tuple[list[int], list[int]]:
    """Draws the lengths of the segments, and their places, one after the other."""
    total = min(max(1, int(size * rng.uniform(*options.share))), size)
    count = int(rng.integers(options.segments[0], options.segments[1] + 1))
    lengths = [n for n in rng.multinomial(total, [1 / count] * count).tolist() if n]
    places, least, most = [], 0, size - total
    for length in lengths:
        place = int(rng.integers(least, most)) if least < most else least
        places.append(place)
        least, most = place + length, most + length
    return lengths, places
