"""Augments training audio differently every time it is drawn, without changing its transcript.

    speed -> silence around, or cut ends -> room -> equaliser -> noise -> gain -> white noise
          -> clipping -> band of frequencies -> codec

Speed, silence and cuts change the length, so they are drawn when an epoch is planned (stretch.py); everything else is
drawn here, from random numbers that depend on (seed, epoch, example, copy) alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.resample import resample
from jaxspeech.data.band_limit import Band, band_limit
from jaxspeech.data.clipping import Clip, clip
from jaxspeech.data.codecs import Codec, through_codec
from jaxspeech.data.decode import Decoder
from jaxspeech.data.equalize import equalize
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.noise import SILENCE, add_noise, add_white_noise, decibels, rms
from jaxspeech.data.reverb import reverberate
from jaxspeech.data.room_options import RoomOptions
from jaxspeech.data.rooms import SimulatedRooms
from jaxspeech.data.stretch import PLACES
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError, did_you_mean

# Seconds of a cut from which on samples further than NEAR from what is kept are not resampled.
LONG_CUT, NEAR = 2.0, 0.5

Number = int | float
Range = tuple[Number, Number]


@dataclass(frozen=True, kw_only=True)
class WhiteNoise:
    """Gaussian noise at `level_db` relative to full scale or, if `snr_db` is given, at that signal-to-noise ratio."""

    level_db: Range = (-90.0, -46.0)
    snr_db: Range | None = None
    probability: Number = 1.0


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise: a stretch of a random recording of `manifest`, added at a random signal-to-noise ratio."""

    manifest: str
    snr_db: Range = (0.0, 30.0)
    probability: Number = 0.5


@dataclass(frozen=True, kw_only=True)
class Rir:
    """Reverberation: a random room impulse response of `manifest`."""

    manifest: str
    probability: Number = 0.5


@dataclass(frozen=True, kw_only=True)
class Room(RoomOptions):
    """Reverberation: a random simulated room, for examples that `rir` has left dry."""

    probability: Number = 0.5


@dataclass(frozen=True, kw_only=True)
class Equalize:
    """A random smooth filter: `points` gains within +-`gain_db`, and a low-pass at a frequency within `low_pass_hz`."""

    gain_db: Number = 6.0
    points: int = 8
    low_pass_hz: Range | None = None
    probability: Number = 0.5


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """The `augment` part of a config; by default nothing is changed.

    Attributes:
      speed: factors to choose from: [0.9, 1.0, 1.1]. They change pitch and formants too, as a different speaker would.
      pad_seconds: at most this much silence before and after.
      pad_after_seconds: at least this much silence after, at most `pad_seconds`.
      unpadded_share: of the utterances that get no silence, and of which nothing is cut.
      crop_seconds: at most this much is cut from a side that gets no silence, and at most 30 % of the utterance.
      crop_to: (least, most) seconds; of a recording that is longer than what is drawn from this range, a stretch of so
        many seconds is taken. () takes all of it.
      crop_from: where that stretch lies: at a "random" place, at the "start" or at the "end".
      gain_db: range of the change in level.
    """

    speed: tuple[Number, ...] = (1.0,)
    pad_seconds: Number = 0.0
    pad_after_seconds: Number = 0.0
    unpadded_share: Number = 0.0
    crop_seconds: Number = 0.0
    crop_to: tuple[Number, ...] = ()
    crop_from: str = "random"
    gain_db: Range = (0.0, 0.0)
    rir: Rir | None = None
    room: Room | None = None
    equalize: Equalize | None = None
    noise: Noise | None = None
    white_noise: WhiteNoise | None = None
    clip: Clip | None = None
    band: Band | None = None
    codec: Codec | None = None


_PARTS = {
    "rir": Rir,
    "room": Room,
    "equalize": Equalize,
    "noise": Noise,
    "white_noise": WhiteNoise,
    "clip": Clip,
    "band": Band,
    "codec": Codec,
}


def parse_augment(config: Mapping[str, Any]) -> AugmentConfig:
    """Convert a config's plain values to an AugmentConfig; a part that is None or empty is off.

    Raises:
      ConfigError: a field is unknown (the message suggests the nearest known one) or missing, or a value is invalid.
    """
    values = {key: value for key, value in config.items() if not (key in _PARTS and not value)}
    parts = {key: _construct(_PARTS[key], values.pop(key), f"augment.{key}") for key in _PARTS if key in values}
    parsed = _construct(AugmentConfig, values | parts, "augment")
    if not parsed.speed or not all(0.25 <= factor <= 4.0 for factor in parsed.speed):
        raise ConfigError(f"augment.speed: {list(parsed.speed)} must be factors between 0.25 and 4")
    for name in ("pad_seconds", "crop_seconds"):
        if getattr(parsed, name) < 0.0:
            raise ConfigError(f"augment.{name}: {getattr(parsed, name)} must not be negative")
    if not 0.0 <= parsed.pad_after_seconds <= parsed.pad_seconds:
        raise ConfigError(f"augment.pad_after_seconds: {parsed.pad_after_seconds} must be from 0 to pad_seconds")
    if not 0.0 <= parsed.unpadded_share <= 1.0:
        raise ConfigError(f"augment.unpadded_share: {parsed.unpadded_share} must be from 0 to 1")
    if parsed.crop_to and not (len(parsed.crop_to) == 2 and 0 < parsed.crop_to[0] <= parsed.crop_to[1]):
        raise ConfigError(f"augment.crop_to: {list(parsed.crop_to)} must be the least and the most seconds, or empty")
    if parsed.crop_from not in ("random", *PLACES):
        raise ConfigError(f'augment.crop_from is {parsed.crop_from!r}; use "random", "start" or "end"')
    return parsed


def _construct(cls: type, values: Any, place: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{place}: {values!r} is not a set of fields")
    names = [field.name for field in fields(cls)]
    for name in values:
        if name not in names:
            raise ConfigError(f"{place}.{name}: no such field{did_you_mean(name, names)}")
    try:
        return cls(**{name: tuple(v) if isinstance(v, list | tuple) else v for name, v in values.items()})
    except ConfigError as error:
        raise ConfigError(f"{place}.{error}") from error
    except TypeError as error:
        raise ConfigError(f"{place}: {str(error).partition(') ')[2] or error}") from error


class Augment:
    """`augment(samples, ...)` applies the chain above, with recordings of noise and room impulse responses."""

    def __init__(self, config: AugmentConfig, *, sample_rate: int, cache_bytes: int = 2**28):
        """Open the manifests of noises and rooms; raises ManifestError if one cannot be used."""
        self.config = config
        self._sample_rate = sample_rate
        self._noises = config.noise and recordings_of_kind(config.noise.manifest, "noise", sample_rate, cache_bytes)
        self._simulated = config.room and SimulatedRooms(config.room, channels=1, sample_rate=sample_rate)
        self._rooms = config.rir and recordings_of_kind(config.rir.manifest, "rir", sample_rate, cache_bytes)

    def __call__(
        self,
        samples: Float[np.ndarray, " S"],
        *,
        speed: Number,
        before: Number,
        after: Number,
        rng: np.random.Generator,
    ) -> Float[np.ndarray, " R"]:
        """Return an augmented version of an utterance.

        Args:
          samples: the clean utterance.
          speed, before, after: as planned: a factor, and seconds of silence (negative: cut) at either end; they alone
            decide the length of the result.
          rng: the utterance's own random numbers.

        Raises:
          AudioError: a noise or an impulse response cannot be read.
        """
        config = self.config
        samples, before, after = _near(samples, speed, before, after, self._sample_rate)
        samples = resample(samples, speed, 1.0)
        speech_rms = rms(samples)
        samples = _with_silence(samples, before, after, self._sample_rate)
        if config.rir and self._rooms and rng.random() < config.rir.probability:
            samples = reverberate(samples, self._rooms(int(rng.integers(len(self._rooms.manifest)))))
        elif config.room and self._simulated and rng.random() < config.room.probability:
            samples = reverberate(samples, self._simulated(rng, 1)[0].full[0])
        if config.equalize and rng.random() < config.equalize.probability:
            gains = rng.uniform(-config.equalize.gain_db, config.equalize.gain_db, config.equalize.points)
            low_pass = config.equalize.low_pass_hz and rng.uniform(*config.equalize.low_pass_hz)
            before_equalizer = rms(samples)
            samples = equalize(samples, gains, sample_rate=self._sample_rate, low_pass_hz=low_pass)
            speech_rms *= rms(samples) / max(before_equalizer, SILENCE)
        if config.noise and self._noises and rng.random() < config.noise.probability:
            noise = self._noises(int(rng.integers(len(self._noises.manifest))))
            snr_db = rng.uniform(*config.noise.snr_db)
            samples = add_noise(samples, noise, snr_db=snr_db, speech_rms=speech_rms, rng=rng)
        gain_db = rng.uniform(*config.gain_db)
        samples = samples * np.float32(10 ** (gain_db / 20))
        if config.white_noise and rng.random() < config.white_noise.probability:
            level_db = rng.uniform(*config.white_noise.level_db)
            if config.white_noise.snr_db:
                level_db = decibels(speech_rms) + gain_db - rng.uniform(*config.white_noise.snr_db)
            samples = add_white_noise(samples, level_db=level_db, rng=rng)
        return self._through_line(samples, rng)

    def _through_line(self, samples: Float[np.ndarray, " R"], rng: np.random.Generator) -> Float[np.ndarray, " R"]:
        """What a microphone that is too loud, a band of frequencies and a codec make of all of it."""
        overload, band, codec = self.config.clip, self.config.band, self.config.codec
        if overload and rng.random() < overload.probability:
            gain_db = rng.uniform(*overload.gain_db)
            samples = clip(samples, gain_db=gain_db, soft=bool(rng.random() < overload.soft))
        if band and rng.random() < band.probability:
            low, high = rng.uniform(*band.low_hz), rng.uniform(*band.high_hz)
            samples = band_limit(samples, low_hz=low, high_hz=high, sample_rate=self._sample_rate)
        if codec and rng.random() < codec.probability:
            name = codec.names[int(rng.integers(len(codec.names)))]
            compression = float(rng.uniform(*codec.compression))
            samples = through_codec(samples, name, sample_rate=self._sample_rate, compression=compression)
        return samples


def stretch_samples(samples: Float[np.ndarray, " S"], variant: Variant, *, sample_rate: int) -> Float[np.ndarray, " R"]:
    """Apply speed, silence and cuts alone, as the clean target of an augmented recording needs."""
    samples, before, after = _near(samples, variant.speed, variant.before, variant.after, sample_rate)
    return _with_silence(resample(samples, variant.speed, 1.0), before, after, sample_rate)


def _near(
    samples: Float[np.ndarray, " S"], speed: Number, before: Number, after: Number, sample_rate: int
) -> tuple[Float[np.ndarray, " R"], Number, Number]:
    """Drop samples far from a short stretch that is kept, which need not be resampled; returns the cuts that remain."""
    if -min(before, 0.0) - min(after, 0.0) < LONG_CUT:
        return samples, before, after
    first, last = (int(max(-seconds - NEAR, 0.0) * speed * sample_rate) for seconds in (before, after))
    rate = speed * sample_rate
    return samples[first : len(samples) - last], before + first / rate, after + last / rate


def _with_silence(
    samples: Float[np.ndarray, " S"], before_seconds: Number, after_seconds: Number, sample_rate: int
) -> Float[np.ndarray, " R"]:
    """Pad with zeros on both sides; where the seconds are negative, cut that much off instead."""
    # Both are rounded down, so that the result is no longer than planned.
    before, after = (math.floor(seconds * sample_rate) for seconds in (before_seconds, after_seconds))
    if not before and not after:
        return samples
    kept = samples[max(-before, 0) : len(samples) - max(-after, 0)]
    return np.pad(kept, (max(before, 0), max(after, 0)))


def recordings_of_kind(path: str, kind: str, sample_rate: int, cache_bytes: int) -> Decoder:
    """Open the recordings of a manifest; where its lines have a "kind", only those of this kind."""
    manifest = Manifest(path)
    of_kind = [i for i, entry in enumerate(manifest) if entry.fields.get("kind", kind) == kind]
    if not of_kind:
        raise ConfigError(f"{path}: holds no recording with kind {kind!r}")
    return Decoder(manifest.take(np.array(of_kind)), sample_rate=sample_rate, cache_bytes=cache_bytes)
