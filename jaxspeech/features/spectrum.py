"""Applies a filterbank to short-time spectra, in float32.

X_t[k] = sum_n w[n] x[t hop + n] exp(-2 pi i k n / N)
y_t    = (|X_t|^2 + guard)^(p/2) filters
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.row_parallel import over_rows

# Number of frames transformed at a time, to bound the memory for the spectra of a long recording.
CHUNK = 8192
# Added to powers before a root, to keep its gradient finite where a spectrum is zero; rounded away elsewhere.
TINY = 1e-30


@partial(jax.jit, static_argnames=("hop", "mag_power", "guard", "chunk"))
def filtered_spectrum(
    samples: Float[Array, "B S"],
    window: Float[Any, " N"],
    filters: Float[Any, "bins F"],
    *,
    hop: int,
    mag_power: float = 2.0,
    guard: float = 0.0,
    chunk: int = CHUNK,
) -> Float[Array, "B T F"]:
    """Compute the magnitudes of each frame's spectrum, to the power `mag_power`, weighted by the filters.

    `guard` is added to the powers, which keeps the gradients of quiet bins small where a root is taken.

    Frame t starts at sample t * hop; T = (S - N) // hop + 1 frames fit, as the caller does the padding. `chunk` frames
    are transformed at a time.
    """
    window = jnp.asarray(window, jnp.float32)
    filters = jnp.asarray(filters, jnp.float32)
    size = window.shape[0]

    def transform(row: Float[Array, " S"]) -> Float[Array, "T F"]:
        starts = hop * jnp.arange(max((row.shape[0] - size) // hop + 1, 0))
        frames = jax.vmap(lambda start: jax.lax.dynamic_slice(row, (start,), (size,)))(starts)
        spectrum = jnp.fft.rfft(frames * window)
        power = spectrum.real**2 + spectrum.imag**2
        if guard:
            power = power + guard
        if mag_power != 2.0:
            power = (power + TINY) ** (mag_power / 2)
        # HIGHEST: a GPU's or TPU's default matmul would round the powers to 10 or 7 bits.
        return jnp.matmul(power, filters, precision=jax.lax.Precision.HIGHEST)

    def one_row(row: Float[Array, " S"]) -> Float[Array, "T F"]:
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
        # On a CPU, one row at a time is twice as fast: the frames stay in the cache, and less memory is allocated.
        return jax.lax.platform_dependent(samples, cpu=partial(jax.lax.map, one_row), default=jax.vmap(one_row))

    return over_rows(rows, samples)
