"""Draws the noise of a mixture: recorded, of many talkers, or computed; sped up, filtered and added up at random.

Few recordings are soon learnt by heart, so that a model suppresses them alone. All that is drawn follows from the
random numbers that are given.
"""

from pathlib import PurePath

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.resample import resample
from jaxspeech.data.decode import Decoder
from jaxspeech.data.equalize import equalize
from jaxspeech.data.generated_noise import generated_noise
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixture_options import MixtureOptions
from jaxspeech.data.noise import SILENCE, rms
from jaxspeech.errors import ConfigError, did_you_mean

CACHE_BYTES = 2**29
# Talkers of a babble, and how much their levels differ, and those of several noises, in dB.
TALKERS, DIFFER = (3, 8), 10.0
# Stretches that are tried where one is digital silence.
TRIES = 4
POINTS = 8


class Noises:
    """`noises(rng, size)` draws a noise. Safe to call from any thread."""

    def __init__(self, options: MixtureOptions, *, sample_rate: int, speech: Decoder | None, held_out: bool = False):
        """Opens the manifests.

        Args:
          options: how noises are drawn.
          sample_rate: in Hz.
          speech: of talkers, for babble.
          held_out: draw the recordings that are held out from training, if there are any, not the others.

        Raises:
          ConfigError: no recording is left, or one that is held out is in none of the manifests.
          ManifestError: a manifest cannot be used.
        """
        self._options, self._rate, self._speech = options, sample_rate, speech
        self._recorded, self._weights = None, np.ones(0)
        self.content = ""
        if options.noise:
            manifest = Manifest(options.noise)
            self.content = manifest.content
            self._recorded = Decoder(
                manifest.take(_chosen(manifest, options, held_out=held_out)),
                sample_rate=sample_rate,
                cache_bytes=CACHE_BYTES,
            )
            # Long recordings hold more kinds of sounds than short ones, but not in proportion.
            self._weights = np.sqrt(self._recorded.manifest.durations)
            self._weights /= self._weights.sum()

    def __call__(self, rng: np.random.Generator, size: int) -> Float[np.ndarray, " S"]:
        """Draws `size` samples; their level is arbitrary, and 0 if only silence was found.

        Raises:
          AudioError: a recording cannot be read.
        """
        low, high = self._options.noises
        total = np.zeros(size, np.float32)
        for number in range(int(rng.integers(low, high + 1))):
            made = self._one(rng, size)
            level, gain_db = rms(made), rng.uniform(-DIFFER, 0) if number else 0.0
            if level > SILENCE:
                total += made * np.float32(10 ** (gain_db / 20) / level)
        return total

    def _one(self, rng: np.random.Generator, size: int) -> Float[np.ndarray, " S"]:
        options, choice = self._options, rng.random()
        if choice < options.generated or (self._recorded is None and not options.babble):
            return generated_noise(rng, size, sample_rate=self._rate)
        made = np.zeros(size, np.float32)
        for _ in range(TRIES):
            if self._speech is not None and (choice < options.generated + options.babble or self._recorded is None):
                made = self._babble(self._speech, rng, size)
            elif self._recorded is not None:
                index = int(rng.choice(len(self._weights), p=self._weights))
                made = self._varied(self._recorded(index), rng, size)
            if rms(made) > SILENCE:
                break
        return made

    def _varied(self, samples: Float[np.ndarray, " N"], rng: np.random.Generator, size: int) -> np.ndarray:
        low, high = self._options.noise_speed
        speed = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        part = stretch_of(samples, int(size * speed) + 64, rng)
        part = resample(part, speed, 1.0)[:size] if speed != 1 else part[:size]
        if most := float(self._options.noise_filter_db):
            part = equalize(part, rng.uniform(-most, most, POINTS), sample_rate=self._rate)
        return np.resize(part, size)

    def _babble(self, speech: Decoder, rng: np.random.Generator, size: int) -> Float[np.ndarray, " S"]:
        total = np.zeros(size, np.float32)
        for _ in range(int(rng.integers(TALKERS[0], TALKERS[1] + 1))):
            part = stretch_of(speech(int(rng.integers(len(speech.manifest)))), size, rng)
            gain = 10 ** (rng.uniform(-DIFFER, 0) / 20) / max(rms(part), SILENCE)
            total += part * np.float32(gain)
        return total


def stretch_of(samples: Float[np.ndarray, " N"], size: int, rng: np.random.Generator) -> Float[np.ndarray, " S"]:
    """A stretch of a recording from a random place; it is repeated where it is too short."""
    if len(samples) >= size:
        start = int(rng.integers(len(samples) - size + 1))
        return samples[start : start + size]
    return np.resize(np.roll(samples, -int(rng.integers(len(samples)))), size)


def _chosen(manifest: Manifest, options: MixtureOptions, *, held_out: bool) -> np.ndarray:
    """The recordings of noise to draw from, as numbers of examples."""
    names = [PurePath(str(entry.path)).name for entry in manifest]
    for name in options.held_out:
        if name not in names:
            nearest = did_you_mean(name, names)
            raise ConfigError(f"mixtures.held_out: {name} is no file of {', '.join(options.noise)}{nearest}")
    kept = [
        index
        for index, entry in enumerate(manifest)
        if entry.fields.get("kind", "noise") == "noise"
        and (not options.held_out or (names[index] in options.held_out) == held_out)
    ]
    if not kept:
        why = "all of its recordings of noise are held out" if options.held_out else "no recording of kind 'noise'"
        raise ConfigError(f"mixtures.noise: {', '.join(options.noise)}: {why}")
    return np.array(kept)
