"""Rotary positions (Su et al., 2021): a query and a key are rotated by their places, so that their product depends on
the distance alone.

f_i = theta^(-2i/K),  i = 0 .. K/2 - 1                                       frequencies of a head of K channels
[x_i, x_{i+K/2}] -> [x_i cos(p f_i) - x_{i+K/2} sin(p f_i),  x_{i+K/2} cos(p f_i) + x_i sin(p f_i)]       at place p

For longer texts than a model was first trained on, the frequencies are divided by a factor: all of them ("linear", Chen
et al., 2023), or only those whose wave is longer than the first context, with a smooth passage between ("llama3",
Grattafiori et al., 2024, as in Transformers' `_compute_llama3_parameters`).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean

SCALINGS = ("", "linear", "llama3")


@dataclass(frozen=True)
class Rope:
    """Options of the rotary positions.

    Attributes:
      theta: base of the frequencies.
      scaling: how the frequencies are divided: "" not at all, "linear", or "llama3".
      factor: what they are divided by.
      low_frequency_factor, high_frequency_factor: "llama3" divides a frequency whole if fewer than the first number of
        its waves fit the original context, and not at all if more than the second do.
      original_context: tokens of the context that the frequencies were first trained on.
    """

    theta: int | float = 10000.0
    scaling: str = ""
    factor: int | float = 1.0
    low_frequency_factor: int | float = 1.0
    high_frequency_factor: int | float = 4.0
    original_context: int = 8192


class Rotation(NamedTuple):
    """Cosine and sine of each place's angles, float32, for all heads."""

    cos: Float[Array, "#B N 1 _"]
    sin: Float[Array, "#B N 1 _"]


def rotary_frequencies(rope: Rope, width: int) -> Float[np.ndarray, " _"]:
    """Computes the K / 2 frequencies of a head of `width` = K channels, in radians a place.

    Raises:
      ConfigError: the width is odd, or the scaling is unknown or has a factor that it cannot divide by.
    """
    if width % 2:
        raise ConfigError(f"decoder.head_width is {width}; rotary positions need an even number of channels")
    if rope.scaling not in SCALINGS:
        raise ConfigError(f"decoder.rope.scaling {rope.scaling!r}{did_you_mean(rope.scaling, SCALINGS)}")
    if rope.factor <= 0:
        raise ConfigError(f"decoder.rope.factor is {rope.factor}; it must be above 0")
    frequencies = rope.theta ** (-np.arange(0, width, 2) / width)
    if rope.scaling == "linear":
        frequencies = frequencies / rope.factor
    elif rope.scaling == "llama3":
        low, high = rope.low_frequency_factor, rope.high_frequency_factor
        if high <= low:
            raise ConfigError(f"decoder.rope.high_frequency_factor {high} must be above low_frequency_factor, {low}")
        waves = rope.original_context * frequencies / (2 * math.pi)
        kept = np.clip((waves - low) / (high - low), 0.0, 1.0)
        frequencies = (1 - kept) * frequencies / rope.factor + kept * frequencies
    return frequencies


def rotation(rope: Rope, width: int, places: Int[Any, "#B N"]) -> Rotation:
    """Computes the rotation at each place for heads of `width` channels."""
    frequencies = jnp.asarray(rotary_frequencies(rope, width), jnp.float32)
    angles = jnp.asarray(places).astype(jnp.float32)[..., None, None] * frequencies
    return Rotation(jnp.cos(angles), jnp.sin(angles))


def rotated(x: Float[Array, "B N H K"], by: Rotation) -> Float[Array, "B N H K"]:
    """Rotates queries or keys; computed in float32, returned in their own dtype."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    both = [first * by.cos - second * by.sin, second * by.cos + first * by.sin]
    return jnp.concatenate(both, axis=-1).astype(x.dtype)
