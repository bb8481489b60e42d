"""A prior of alignments: near the diagonal, narrow at both ends (Shih et al., "RAD-TTS", 2021).

p[t, n] = BetaBinomial(n; N - 1, s t, s (T + 1 - t)),    t = 1 .. T,  n = 0 .. N - 1

Successive symbols have the ratio p[t, n + 1] / p[t, n] = (N - 1 - n) (n + a) / ((n + 1) (N - 2 - n + b)), with a = s t
and b = s (T + 1 - t). Sums of its logarithms, normalised over the symbols, lose 5e-5 of the probabilities of 160
symbols and 900 frames, where differences of log-gamma functions in float32 lose 1e-3. NeMo's `BetaBinomialInterpolator`
computes other numbers, whose rows do not sum to 1.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask
from jaxspeech.types import Size


def beta_binomial_prior(
    num_frames: Int[Any, " B"],
    num_symbols: Int[Any, " B"],
    frames: Size,
    symbols: Size,
    *,
    scaling: Any = 1.0,
) -> Float[Array, "B T N"]:
    """Computes the probability of each symbol at each frame; its rows sum to 1 within the frames, all else is 0.

    Args:
      num_frames, num_symbols: T and N of each row. NeMo counts one frame more than `MelSpectrogram` says are real.
      frames, symbols: sizes of the result.
      scaling: s, a number; above 1 is narrower.
    """
    total = jnp.asarray(num_frames, jnp.float32)[:, None, None]
    count = jnp.asarray(num_symbols, jnp.float32)[:, None, None]
    t = jnp.arange(1, frames + 1, dtype=jnp.float32)[:, None]
    n = jnp.arange(symbols - 1, dtype=jnp.float32)
    a, b = scaling * t, scaling * (total + 1 - t)
    inside = (n < count - 1) & (t <= total)
    # In two factors near 1, so that neither their product nor its parts leave the range of float32.
    ratio = ((count - 1 - n) / (n + 1)) * ((n + a) / (count - 2 - n + b))
    steps = jnp.log(jnp.where(inside, ratio, 1.0))
    # Running sums as one product with a triangle of ones.
    triangle = (jnp.arange(symbols) > jnp.arange(symbols - 1)[:, None]).astype(jnp.float32)
    log_probs = jnp.einsum("btm,mn->btn", steps, triangle, precision="highest")
    real = length_mask(jnp.asarray(num_symbols), symbols)[:, None, :]
    probs = jax.nn.softmax(jnp.where(real, log_probs, -jnp.inf), axis=-1)
    return jnp.where(real & (t <= total), probs, 0.0)
