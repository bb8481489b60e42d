"""Vocos with a source: its spectra are turned from those of a harmonic tone of the predicted pitch, and of noise.

x                   = the blocks of Vocos (vocos.py)
voiced, octaves     = pitch(x)                           f = centre 2^octaves where voiced > 0, centre elsewhere
c[t]                = c[t - 1] + (f[t - 1] + f[t]) / 2 hop / rate                     cycles of the tone, mod 1
harmonic h of bin b = round(bin's frequency / f[t]), at least 1
X[t, b]             = m e^(i (phase + 2 pi h c[t] - pi b)) + m' e^(i noise[t, b])     m, phase, m' = out(x)

A stack of convolutions cannot count the cycles of a voice from frame to frame; where it must, as in Vocos, phases that
do not fit together sound as a buzz at the rate of the frames, until very long training. Here they are counted, exactly
in units of 2^-32, and noise is the same for each call. That a vocoder needs a source is from Wang, Takaki and
Yamagishi, "Neural source-filter waveform models" (2019); turning an inverse transform's phases by it is our own.

While training, f is the pitch of the recording, and the predicted one learns from it (losses/pitch.py).
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from jaxspeech.decoders.vocos import LOG_MOST, Vocos
from jaxspeech.errors import ConfigError
from jaxspeech.history import HISTORY, in_parts, with_history
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.timeline import Timeline, timeline

TURN = 2.0**32


class Voiced(NamedTuple):
    """Samples with the pitch that is predicted of each frame.

    Attributes:
      samples: `hop` for each frame.
      voiced: logit.
      octaves: above the generator's `centre`.
    """

    samples: Float[Array, "B S"]
    voiced: Float[Array, "B T"]
    octaves: Float[Array, "B T"]


class HarmonicVocos(Vocos):
    """The generator.

    Attributes:
      sample_rate: in Hz.
      low, high: the range of pitch, in Hz.
    """

    sample_rate: int = 22050
    low: int | float = 65.0
    high: int | float = 600.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 20 <= self.low < self.high <= self.sample_rate / 4:
            raise ConfigError(
                f"generator: pitch from {self.low:g} to {self.high:g} Hz: it must lie between 20 Hz and a quarter of "
                f"the sample rate, {self.sample_rate / 4:g} Hz"
            )

    @property
    def centre(self) -> float:
        """The middle of the range of pitch, in Hz."""
        return math.sqrt(self.low * self.high)

    def __call__(self, mel: Float[Any, "B T F"], num_frames: Int[Any, " B"]) -> Float[Array, "B S"]:
        """Computes samples, `hop` for each frame; zero beyond each row's frames, which may hold anything.

        In parts (see `history`), the samples are `delay` frames late.
        """
        return self.taught(mel, num_frames).samples

    @nn.compact
    def taught(
        self, mel: Float[Any, "B T F"], num_frames: Int[Any, " B"], pitch: Float[Any, "B T"] | None = None
    ) -> Voiced:
        """Computes samples with the pitch of recordings, and predicts it.

        Args:
          mel, num_frames: as for a call.
          pitch: of each frame in Hz, 0 where it is unvoiced; None: the predicted one.
        """
        line = timeline(self, num_frames, mel.shape[1])
        x = self._hidden(mel, line)
        bins = self.fft_size // 2 + 1
        voiced, octaves = jnp.moveaxis(
            dense(2, self.width, name="pitch", dtype=self.dtype)(x).astype(jnp.float32), -1, 0
        )
        if pitch is None:
            pitch = jnp.where(voiced > 0, self.centre * 2**octaves, 0)
        pitch = jax.lax.stop_gradient(jnp.asarray(pitch, jnp.float32))
        pitch = jnp.where(pitch > 0, jnp.clip(pitch, self.low, self.high), self.centre)

        x = dense(3 * bins, self.width, name="out", dtype=self.dtype)(x).astype(jnp.float32)
        tone, phase, noise = jnp.split(x, 3, -1)
        phase = phase + self._turned(pitch, line)
        tone, noise = (jnp.exp(jnp.minimum(log, LOG_MOST)) for log in (tone, noise))
        random = self._random_phases(line)
        spectra = jax.lax.complex(
            tone * jnp.cos(phase) + noise * jnp.cos(random), tone * jnp.sin(phase) + noise * jnp.sin(random)
        )
        return Voiced(self._samples(spectra, line), voiced, octaves)

    @nn.nowrap
    def _turned(self, pitch: Float[Array, "B T"], line: Timeline) -> Float[Array, "B T bins"]:
        """The phases of the tone's harmonics at the start of each frame's window, in radians."""
        pitch = jnp.where(line.mask(1, self._late), pitch, 0)
        before = with_history(self, "last_pitch", pitch, 1) if in_parts(self) else jnp.pad(pitch, ((0, 0), (1, 0)))
        cycles = 0.5 * (before[:, :-1] + before[:, 1:]) * (self.hop / self.sample_rate)
        counted = jnp.cumsum(_fixed(cycles), 1, dtype=jnp.uint32)
        if in_parts(self):
            last = self.variable(HISTORY, "cycles", jnp.zeros, (pitch.shape[0], 1), jnp.uint32)
            counted = counted + last.value
            last.value = counted[:, -1:]
        bins = jnp.arange(self.fft_size // 2 + 1)
        frequency = bins * (self.sample_rate / self.fft_size)
        harmonic = jnp.maximum(jnp.round(frequency / jnp.where(pitch > 0, pitch, self.centre)[..., None]), 1)
        turned = counted[..., None] * harmonic.astype(jnp.uint32)
        # As signed numbers: from half a turn back to half a turn forwards.
        return jax.lax.bitcast_convert_type(turned, jnp.int32) * (2 * math.pi / TURN) - math.pi * (bins % 2)

    @nn.nowrap
    def _random_phases(self, line: Timeline) -> Float[Array, "..."]:
        """Phases in radians, of each frame by its number, in all rows the same: [T bins], in parts [B T bins]."""
        frames = jnp.arange(line.size)
        if in_parts(self):
            frames = jnp.asarray(line.first)[:, None] + frames - self._late
        key, bins = jax.random.key(0), self.fft_size // 2 + 1
        bits = jax.vmap(lambda frame: jax.random.bits(jax.random.fold_in(key, frame), (bins,)))(frames.reshape(-1))
        return jax.lax.bitcast_convert_type(bits, jnp.int32).reshape(*frames.shape, bins) * (2 * math.pi / TURN)


def _fixed(cycles: Float[Array, "B T"]) -> UInt32[Array, "B T"]:
    """Cycles mod 1 in units of 2^-32, whose sums wrap exactly."""
    return ((cycles - jnp.floor(cycles)) * TURN).astype(jnp.uint32)
