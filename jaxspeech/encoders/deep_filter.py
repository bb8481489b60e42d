"""Cleans spectra frame by frame, for live use on a CPU: gains of bands, and short filters of the low bins.

e = 10 log10 mean_band |X|^2 - its running mean;  u = X / sqrt(running mean of |X|)           features of frame m
z = relu(W [e, Re u, Im u]);  z += LSTM(z)
G = sigmoid(W_G z) of each band;  c = W_c z of each low bin and tap
Y[n] = G X[n] + sum_k c_k X[n + p - k]                                                        with n = m - look_ahead
Y += sigmoid(10 log10(mean |X|^2 / mean |X - Y|^2) - clean_db) (X - Y)                        running means of frames

This is DeepFilterNet (Schroeter et al., 2022, arXiv:2110.05588; 2023, arXiv:2305.08227) without its convolutions and
grouped layers, which win nothing where a frame is one product of a vector and a matrix: bands of equal width on the
scale of equivalent rectangular bandwidths (Moore and Glasberg, 1983) with gains for all frequencies, and complex
filters over a few frames for the periodic parts of speech, which are too close to each other for gains. Both come from
one recurrent trunk, and the filters add to the gains, so that training begins with gains alone.

The last line leaves clean recordings as they are: where what would be removed is that weak, it is as likely speech as
noise. Frames after the one that is cleaned are heard by delaying the result: everything else looks back only.
"""

import itertools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.loops import scan
from jaxspeech.nn.lstm import LSTM, LSTMState
from jaxspeech.types import Size

# Power below which a band is silent, 100 dB below a full-scale sine wave of a window of 320 samples.
SILENCE = 1e-6
# Decibels that are one unit of a feature.
DECIBELS = 40.0


class RunningMean(NamedTuple):
    """Exponentially weighted sums, and the sum of their weights."""

    total: Float[Any, "B D"]
    weight: Float[Any, " B"]


class DeepFilterState(NamedTuple):
    """What the next frames need of the past.

    Attributes:
      spectra: of the last frames.
      levels, magnitudes: running means of the bands in dB, and of the magnitudes of the low bins.
      trunk: of the recurrent layers.
      removed: running means of the powers of frames, and of what was removed from them.
    """

    spectra: Complex[Any, "B P F"]
    levels: RunningMean
    magnitudes: RunningMean
    trunk: LSTMState
    removed: RunningMean


class DeepFilter(nn.Module):
    """An estimator of spectra, see the top of this file; each channel is cleaned by itself.

    Attributes:
      num_bands: with gains.
      low_bins: with filters.
      taps: of a filter, in frames.
      look_ahead: frames after the one that is cleaned, by which the result is late in a stream.
      width: of the trunk.
      num_layers: of the trunk.
      memory: of the running means, in frames: their weights decay by e within it.
      clean_db: how much weaker than the recording the removed part is, in decibels, when half of it is kept; None: all
        that is found is removed.
      sample_rate: in Hz.
      dtype: of the matrix products.
    """

    num_bands: int = 32
    low_bins: int = 96
    taps: int = 5
    look_ahead: int = 2
    width: int = 256
    num_layers: int = 2
    memory: int = 100
    clean_db: float | None = None
    sample_rate: int = 16000
    dtype: Any = jnp.float32

    any_channels = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.taps < 1 or self.look_ahead < 0:
            raise ConfigError(
                f"deep_filter: taps {self.taps} must be 1 or more, look_ahead {self.look_ahead} 0 or more"
            )

    @property
    def taps_ahead(self) -> int:
        """Taps after the frame that is cleaned: half of them, as far as they are heard."""
        return min(self.look_ahead, (self.taps - 1) // 2)

    def start(self, batch: Size, num_bins: int) -> DeepFilterState:
        """The state before the first frame of `batch` channels."""
        past = self.look_ahead - self.taps_ahead + self.taps - 1
        zeros, low = jnp.zeros(batch), min(self.low_bins, num_bins)
        return DeepFilterState(
            jnp.zeros((batch, past, num_bins), jnp.complex64),
            RunningMean(jnp.zeros((batch, len(self._edges(num_bins)) - 1)), zeros),
            RunningMean(jnp.zeros((batch, low)), zeros),
            self._trunk_state(batch),
            RunningMean(jnp.zeros((batch, 2)), zeros),
        )

    def __call__(
        self, spectra: Complex[Any, "B C N F"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> Complex[Array, "B C N F"]:
        """Cleans whole recordings, whose spectra are zero beyond their frames."""
        del num_frames, train
        batch, channels, _, num_bins = spectra.shape
        late = jnp.pad(spectra, ((0, 0), (0, 0), (0, self.look_ahead), (0, 0)))
        cleaned, _ = self.step(late, self.start(batch * channels, num_bins))
        return cleaned[:, :, self.look_ahead :]

    @nn.compact
    def step(
        self, spectra: Complex[Any, "B C N F"], state: DeepFilterState
    ) -> tuple[Complex[Array, "B C N F"], DeepFilterState]:
        """Cleans the next frames; what it returns is `look_ahead` frames late.

        Args:
          spectra: the next frames.
          state: after the ones before, of B C channels.
        """
        batch, channels, frames, num_bins = spectra.shape
        rows = jnp.asarray(spectra).reshape(batch * channels, frames, num_bins)
        edges, low = self._edges(num_bins), min(self.low_bins, num_bins)
        power = rows.real**2 + rows.imag**2
        levels = 10 * jnp.log10(_band_means(power, edges) + SILENCE)
        mean_levels, level_state = self._running(levels, state.levels)
        magnitudes = jnp.sqrt(power[..., :low] + SILENCE)
        mean_magnitudes, magnitude_state = self._running(magnitudes, state.magnitudes)
        units = rows[..., :low] / jnp.sqrt(mean_magnitudes)
        features = jnp.concatenate([(levels - mean_levels) / DECIBELS, units.real, units.imag], -1)

        z = jax.nn.relu(nn.Dense(self.width, dtype=self.dtype, name="embed")(features))
        trunk = LSTM(self.width, self.num_layers, dtype=self.dtype, name="trunk")
        recurrent, trunk_state = trunk(z, state.trunk)
        z = z + recurrent
        open_gates = nn.initializers.constant(2.0)
        bands = nn.Dense(len(edges) - 1, dtype=self.dtype, bias_init=open_gates, name="gains")(z)
        small = nn.initializers.normal(1e-3)
        filters = nn.Dense(2 * self.taps * low, dtype=self.dtype, kernel_init=small, name="filters")(z)
        gains = jnp.repeat(jax.nn.sigmoid(bands.astype(jnp.float32)), np.diff(edges), axis=-1)
        real, imag = jnp.split(filters.astype(jnp.float32), 2, axis=-1)
        coefficients = jax.lax.complex(real, imag).reshape(*filters.shape[:2], self.taps, low)

        known = jnp.concatenate([state.spectra.astype(rows.dtype), rows], axis=1)
        # Of frame j of `rows`, the frame that is cleaned is at `cleaned + j` in `known`.
        past = state.spectra.shape[1]
        cleaned = past - self.look_ahead
        noisy = known[:, cleaned : cleaned + frames]
        output = gains * noisy
        filtered = sum(
            coefficients[:, :, k] * known[:, first : first + frames, :low]
            for k in range(self.taps)
            for first in [cleaned + self.taps_ahead - k]
        )
        output = output.at[..., :low].add(filtered)
        removed_state = state.removed
        if self.clean_db is not None:
            powers = jnp.stack([(x.real**2 + x.imag**2).sum(-1) for x in (noisy, noisy - output)], axis=-1)
            means, removed_state = self._running(powers + SILENCE, state.removed)
            ratio_db = 10 * jnp.log10(means[..., 0] / means[..., 1])
            output = output + jax.nn.sigmoid(ratio_db - self.clean_db)[..., None] * (noisy - output)
        past_spectra = known[:, known.shape[1] - past :]
        state = DeepFilterState(past_spectra, level_state, magnitude_state, trunk_state, removed_state)
        return output.reshape(batch, channels, frames, num_bins), state

    def _trunk_state(self, batch: Size) -> LSTMState:
        zeros = jnp.zeros((batch, self.num_layers, self.width))
        return LSTMState(zeros, zeros)

    def _edges(self, num_bins: int) -> tuple[int, ...]:
        return band_edges(self.num_bands, num_bins=num_bins, sample_rate=self.sample_rate)

    def _running(self, values: Float[Array, "B N D"], state: RunningMean) -> tuple[Float[Array, "B N D"], RunningMean]:
        """The mean of all values so far at each frame, in which older ones count less."""
        decay = float(np.exp(-1 / self.memory))

        def add(sums: RunningMean, value: Float[Array, "B D"]) -> tuple[RunningMean, Float[Array, "B D"]]:
            total = decay * sums.total + (1 - decay) * value
            weight = decay * sums.weight + (1 - decay)
            return RunningMean(total, weight), total / weight[:, None]

        state, means = scan(add, state, jnp.swapaxes(values, 0, 1))
        return jnp.swapaxes(means, 0, 1), state


def band_edges(num_bands: int, *, num_bins: int, sample_rate: int) -> tuple[int, ...]:
    """The first bin of each band, and the number of bins: bands of equal width on the ERB scale, one bin at least."""
    nyquist = sample_rate / 2
    top = 21.4 * np.log10(1 + 0.00437 * nyquist)
    hz = (10 ** (np.linspace(0, top, num_bands + 1) / 21.4) - 1) / 0.00437
    edges = np.round(hz / nyquist * num_bins).astype(int)
    found = [0]
    for edge in edges[1:]:
        found.append(max(int(edge), found[-1] + 1))
    last = [edge for edge in found if edge < num_bins]
    return (*last, num_bins)


def _band_means(power: Float[Array, "B N F"], edges: tuple[int, ...]) -> Float[Array, "B N D"]:
    means = np.zeros((edges[-1], len(edges) - 1), np.float32)
    for band, (begin, end) in enumerate(itertools.pairwise(edges)):
        means[begin:end, band] = 1 / (end - begin)
    return jnp.matmul(power, jnp.asarray(means), precision=jax.lax.Precision.HIGHEST)
