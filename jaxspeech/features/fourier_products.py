"""Computes powers of short-time spectra by products with cosines and sines, which suits a TPU.

|X_t[k]|^2 = (sum_n w[n] cos(2 pi k n / N) x[t hop + n])^2 + (sum_n w[n] sin(2 pi k n / N) x[t hop + n])^2

Overlapping frames, which a TPU would cut in a loop of a step each, are put together of whole hops. Only the samples
that the window lets through and the bins that are used take part.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxspeech.types import Size

# Samples between those whose waves are stored.
STEP = 16


class Span(NamedTuple):
    """The places from `start` to before `stop`."""

    start: int
    stop: int


def span_of(weights: Float[np.ndarray, " N"]) -> Span:
    """The least span with all weights that are not 0; all places if there are none."""
    places = np.flatnonzero(weights)
    return Span(int(places[0]), int(places[-1]) + 1) if places.size else Span(0, len(weights))


def product_powers(
    row: Float[Array, " S"], window: Float[Array, " N"], *, hop: int, num_frames: Size, samples: Span, bins: Span
) -> Float[Array, "T K"]:
    """Compute |X_t[k]|^2 for the K bins of a span.

    Args:
      row: frame t starts at sample t * hop.
      window: zero outside of the span `samples`.
      hop: distance between the starts of consecutive frames.
      num_frames: T, of which all fit.
      samples: those of a frame that take part.
      bins: those to compute.
    """
    size = window.shape[0]
    length = samples.stop - samples.start
    frames = _frames(row[samples.start :], hop=hop, num_frames=num_frames, length=length)
    weights = window[slice(*samples), None]

    def product(waves: Float[Array, "n K"]) -> Float[Array, "T K"]:
        # HIGHEST: a TPU sums six products of bfloat16 parts. Simulated beside a tone that is 60 dB louder, the log
        # energies of quiet bands are then off by 1e-4 at most; of three products ("high") by 0.01, of one by 4.
        return jnp.matmul(frames, weights * waves, precision=jax.lax.Precision.HIGHEST)

    cosines, sines = _waves(samples, bins, size=size)
    return product(cosines) ** 2 + product(sines) ** 2


def _waves(samples: Span, bins: Span, *, size: int) -> tuple[Float[Array, "n K"], Float[Array, "n K"]]:
    """cos(2 pi k n / N) and sin(2 pi k n / N), from those of every STEP-th n and of the first STEP.

    Whole tables of numbers would be in the programs of all devices, of which only TPUs use them.
    """

    def turned(places: Any) -> tuple[Float[np.ndarray, "n K"], Float[np.ndarray, "n K"]]:
        angles = 2 * np.pi * (np.outer(places, np.arange(*bins)) % size) / size  # exact integers before the division
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    count = samples.stop - samples.start
    cos, sin = (jnp.asarray(x)[:, None] for x in turned(np.arange(samples.start, samples.stop, STEP)))
    fine_cos, fine_sin = turned(np.arange(STEP))
    pair = cos * fine_cos - sin * fine_sin, sin * fine_cos + cos * fine_sin
    cosines, sines = (x.reshape(-1, x.shape[-1])[:count] for x in pair)
    return cosines, sines


def _frames(row: Float[Array, " S"], *, hop: int, num_frames: Size, length: int) -> Float[Array, "T n"]:
    """The `length` samples from each hop on."""
    parts = -(-length // hop)
    blocks = num_frames + parts - 1
    # Zeros for the last hops, which frames need not fill: enough of them, as the sign of a symbol is unknown.
    padded = jnp.pad(row, (0, parts * hop))[: blocks * hop].reshape(blocks, hop)
    return jnp.concatenate([padded[j : j + num_frames] for j in range(parts)], axis=-1)[:, :length]
