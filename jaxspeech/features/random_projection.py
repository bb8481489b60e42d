"""Turns groups of feature frames into codes by a random projection that is never trained (BEST-RQ).

    x_bn = [f_{b, nk}, ..., f_{b, nk + k - 1}]         k frames side by side, the first frame's features first
    code_bnh = argmax_v  c_hv . (P_h x_bn)             of each of H books of V codes c_hv of length 1

The code is the nearest one to the normalised projection, whether by distance or by angle, because all codes have the
same length; the length of the projection does not matter either. Sources: Chiu et al., "Self-supervised learning with
random-projection quantizer for speech recognition" (2022), eq. 1; NeMo's asr/modules/ssl_modules/quantizers.py.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.features.checks import check_positive
from jaxspeech.masks import zero_padding

# The collection of what is drawn once and never trained: no gradient, no state of an optimizer, no decay.
CONSTANTS = "constants"
# Cosines that are in memory at once; a code book has thousands of codes for each group.
AT_ONCE = 1 << 21


class RandomProjection(nn.Module):
    """A random projection and its code books, which are constants of the model.

    Attributes:
      num_codes: V, the codes of each book.
      num_books: H, independent projections, each with its own book.
      code_dim: width of a projection and of a code.

    Raises:
      ConfigError: a field is not positive.
    """

    num_codes: int = 8192
    num_books: int = 1
    code_dim: int = 16

    def __post_init__(self):
        check_positive(num_codes=self.num_codes, num_books=self.num_books, code_dim=self.code_dim)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, features: Float[Array, "B T F"], num_frames: Int[Array, " B"], *, group: int = 1
    ) -> Int[Array, "B N H"]:
        """Computes the codes of groups of `group` frames, N = ceil(T / group).

        Padding counts as zeros, so the code of a group that lies in it altogether says nothing.
        """
        grouped = group_frames(features, num_frames, group=group)
        shape = grouped.shape[-1], self.num_books, self.code_dim
        projection = self.variable(CONSTANTS, "projection", self._draw, _projection, shape)
        codes = self.variable(CONSTANTS, "codes", self._draw, _codes, (self.num_books, self.num_codes, self.code_dim))
        return quantize(grouped, projection.value, codes.value)

    def _draw(self, init: Any, shape: tuple[int, ...]) -> Array:
        return init(self.make_rng("params"), shape)


def group_frames(features: Float[Array, "B T F"], num_frames: Int[Array, " B"], *, group: int) -> Float[Array, "B N G"]:
    """Puts every `group` frames side by side, as float32; padding, and what a last group lacks, are zeros."""
    x = zero_padding(features.astype(jnp.float32), num_frames)
    batch, frames, width = x.shape
    groups = -(-frames // group)
    return jnp.pad(x, ((0, 0), (0, groups * group - frames), (0, 0))).reshape(batch, groups, group * width)


def quantize(
    grouped: Float[Array, "B N G"], projection: Float[Array, "G H E"], codes: Float[Array, "H V E"]
) -> Int[Array, "B N H"]:
    """Finds the nearest code in each book, in float32 whatever the device's default precision is.

    Args:
      grouped: the frames of each group side by side.
      projection: of each book.
      codes: of length 1.
    """
    highest = jax.lax.Precision.HIGHEST
    projected = jnp.einsum("bng,ghe->bnhe", grouped, projection, precision=highest)
    batch, groups, books, dim = projected.shape
    block = min(max(AT_ONCE // (batch * books * codes.shape[1]), 1), groups)
    blocks = -(-groups // block)

    def nearest(part: Float[Array, "B N H E"]) -> Int[Array, "B N H"]:
        return jnp.einsum("bnhe,hve->bnhv", part, codes, precision=highest).argmax(-1).astype(jnp.int32)

    if blocks == 1:
        return nearest(projected)
    padded = jnp.pad(projected, ((0, 0), (0, blocks * block - groups), (0, 0), (0, 0)))
    parts = jnp.moveaxis(padded.reshape(batch, blocks, block, books, dim), 1, 0)
    found = jnp.moveaxis(jax.lax.map(nearest, parts), 0, 1)
    return found.reshape(batch, blocks * block, books)[:, :groups]


def _projection(key: Any, shape: tuple[int, ...]) -> Array:
    """Draws with the variance of Glorot and Bengio (2010) for a map to all books together."""
    fan_in, *outputs = shape
    scale = jnp.sqrt(2.0 / (fan_in + outputs[0] * outputs[1]))
    return scale * jax.random.normal(key, shape)


def _codes(key: Any, shape: tuple[int, ...]) -> Array:
    """Draws directions uniformly."""
    drawn = jax.random.normal(key, shape)
    return drawn / jnp.linalg.norm(drawn, axis=-1, keepdims=True)
