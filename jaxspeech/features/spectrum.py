"""Applies a filterbank to short-time spectra, in float32.

X_t[k] = sum_n w[n] x[t hop + n] exp(-2 pi i k n / N)
y_t    = (|X_t|^2 + guard)^(p/2) filters
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxspeech.features.fourier_products import Span, product_powers, span_of
from jaxspeech.row_parallel import over_rows

# Number of frames transformed at a time, to bound the memory for the spectra of a long recording.
CHUNK = 8192
# Added to powers before a root, to keep its gradient finite where a spectrum is zero; rounded away elsewhere.
TINY = 1e-30


def filtered_spectrum(
    samples: Float[Any, "B S"],
    window: Float[np.ndarray, " N"],
    filters: Float[np.ndarray, "bins F"],
    *,
    hop: int,
    mag_power: float = 2.0,
    guard: float = 0.0,
    chunk: int = CHUNK,
) -> Float[Array, "B T F"]:
    """Compute the magnitudes of each frame's spectrum, to the power `mag_power`, weighted by the filters.

    `guard` is added to the powers, which keeps the gradients of quiet bins small where a root is taken.

    Frame t starts at sample t * hop; T = (S - N) // hop + 1 frames fit, as the caller does the padding. `chunk` frames
    are transformed at a time. A TPU computes the spectra by products, other devices by Fourier transforms.
    """
    spans = span_of(window), span_of(np.abs(filters).max(axis=1))
    return _filtered(samples, window, filters, *spans, hop=hop, mag_power=mag_power, guard=guard, chunk=chunk)


@partial(jax.jit, static_argnums=(3, 4), static_argnames=("hop", "mag_power", "guard", "chunk"))
def _filtered(
    samples: Float[Array, "B S"],
    window: Float[Any, " N"],
    filters: Float[Any, "bins F"],
    heard: Span,
    used: Span,
    *,
    hop: int,
    mag_power: float,
    guard: float,
    chunk: int,
) -> Float[Array, "B T F"]:
    window = jnp.asarray(window, jnp.float32)
    filters = jnp.asarray(filters, jnp.float32)
    size = window.shape[0]

    def weighted(power: Float[Array, "T K"], filters: Float[Array, "K F"]) -> Float[Array, "T F"]:
        if guard:
            power = power + guard
        if mag_power != 2.0:
            power = (power + TINY) ** (mag_power / 2)
        # HIGHEST: a GPU's or TPU's default matmul would round the powers to 10 or 7 bits.
        return jnp.matmul(power, filters, precision=jax.lax.Precision.HIGHEST)

    def by_transforms(row: Float[Array, " S"]) -> Float[Array, "T F"]:
        starts = hop * jnp.arange(max((row.shape[0] - size) // hop + 1, 0))
        frames = jax.vmap(lambda start: jax.lax.dynamic_slice(row, (start,), (size,)))(starts)
        spectrum = jnp.fft.rfft(frames * window)
        return weighted(spectrum.real**2 + spectrum.imag**2, filters)

    def by_products(row: Float[Array, " S"]) -> Float[Array, "T F"]:
        num_frames = max((row.shape[0] - size) // hop + 1, 0)
        power = product_powers(row, window, hop=hop, num_frames=num_frames, samples=heard, bins=used)
        return weighted(power, filters[slice(*used)])

    def one_row(transform: Callable[[Array], Array], row: Float[Array, " S"]) -> Float[Array, "T F"]:
        num_frames = (row.shape[0] - size) // hop + 1
        if not isinstance(num_frames, int) or num_frames <= chunk:
            return transform(row)
        chunks = -(-num_frames // chunk)
        needed = (chunks * chunk - 1) * hop + size
        padded = jnp.pad(row, (0, max(needed - row.shape[0], 0)))
        parts = jax.lax.map(
            lambda i: transform(jax.lax.dynamic_slice(padded, (i * chunk * hop,), ((chunk - 1) * hop + size,))),
            jnp.arange(chunks),
        )
        return parts.reshape(chunks * chunk, -1)[:num_frames]

    def rows(samples: Float[Array, "B S"]) -> Float[Array, "B T F"]:
        transformed = partial(one_row, by_transforms)
        return jax.lax.platform_dependent(
            samples,
            # On a CPU, one row at a time is twice as fast: the frames stay in the cache, and less memory is allocated.
            cpu=partial(jax.lax.map, transformed),
            tpu=jax.vmap(partial(one_row, by_products)),
            default=jax.vmap(transformed),
        )

    return over_rows(rows, samples)
