"""Masks blocks of frames for masked prediction, from uniform numbers that are given.

    overlapping   t starts a block of k frames if u_t < p and the block fits in the row
    separate      n = ceil(length p / k) of the row's slots of k frames, those with the highest u_t, are masked; all are
                  moved by the same int(v k) frames. Where n + 1 slots do not fit, k becomes length // (n + 1)

Blocks that overlap mask 1 - (1 - p)^k of the frames of a long row, separate ones p. Source: NeMo's
asr/modules/ssl_modules/masking.py; Zhang et al., "Google USM" (2023) for separate blocks.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.checks import check_positive
from jaxspeech.features.random_projection import CONSTANTS
from jaxspeech.features.specaugment import span_masks

# Standard deviation of the frame that replaces masked ones.
EMBEDDING_STD = 0.1


class MaskDraws(NamedTuple):
    """Random numbers in [0, 1) from which the mask of a batch follows.

    Attributes:
      scores: one for each frame, or more.
      offsets: one for each row; overlapping blocks do not need them.
    """

    scores: Float[Array, "B T"]
    offsets: Float[Array, " B"]


def draw_masks(key: Any, index: Int[Array, " B"], size: int) -> MaskDraws:
    """Draws the numbers of each row from its example's number, whatever the other rows and the padding are."""

    def of_row(number: Array) -> tuple[Array, Array]:
        scores, offset = jax.random.split(jax.random.fold_in(key, number))
        return jax.random.uniform(scores, (size,)), jax.random.uniform(offset)

    return MaskDraws(*jax.vmap(of_row)(index))


class BlockMask(nn.Module):
    """Replaces blocks of frames by one vector, which is a constant of the model unless it is trained.

    Attributes:
      block: frames of a block.
      probability: that a frame starts a block or, for separate blocks, the share of frames to mask.
      overlap: whether blocks are drawn independently of each other.
      value: of all elements of the vector; None draws them from N(0, 0.1^2).
      trained: whether the vector is a parameter.

    Raises:
      ConfigError: a field is out of range.
    """

    block: int = 40
    probability: float = 0.01
    overlap: bool = True
    value: float | None = None
    trained: bool = False

    def __post_init__(self):
        check_positive(block=self.block)
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"probability is {self.probability}: must be from 0 to 1")
        if self.trained and self.value is not None:
            raise ConfigError("trained: a mask with a fixed value is not trained; set value to None")
        super().__post_init__()

    @nn.compact
    def __call__(
        self, features: Float[Array, "B T F"], num_frames: Int[Array, " B"], draws: MaskDraws
    ) -> tuple[Float[Array, "B T F"], Bool[Array, "B T"]]:
        """Returns the features with the masked frames replaced, and which these are."""
        shape = features.shape[-1:]
        if self.trained:
            vector = self.param("embedding", nn.initializers.normal(EMBEDDING_STD), shape)
        else:
            vector = self.variable(CONSTANTS, "embedding", self._draw, shape).value
        mask = self.mask(draws._replace(scores=draws.scores[:, : features.shape[1]]), num_frames)
        return jnp.where(mask[:, :, None], vector.astype(features.dtype), features), mask

    def mask(self, draws: MaskDraws, num_frames: Int[Array, " B"]) -> Bool[Array, "B T"]:
        """Returns the masked frames; all of them are real."""
        options = {"block": self.block, "probability": self.probability}
        if self.overlap:
            return overlapping_blocks(draws.scores, num_frames, **options)
        return separate_blocks(draws, num_frames, **options)

    def _draw(self, shape: tuple[int, ...]) -> Array:
        if self.value is not None:
            return jnp.full(shape, self.value, jnp.float32)
        return EMBEDDING_STD * jax.random.normal(self.make_rng("params"), shape)


def overlapping_blocks(
    scores: Float[Array, "B T"], lengths: Int[Array, " B"], *, block: int, probability: float
) -> Bool[Array, "B T"]:
    """Masks the `block` frames from each frame whose score is below `probability`, where they fit in the row."""
    fits = jnp.arange(scores.shape[1]) + block <= lengths[:, None]
    started = jnp.cumsum((scores < probability) & fits, 1)
    before = jnp.pad(started, ((0, 0), (block, 0)))[:, : scores.shape[1]]
    return started > before


def separate_blocks(
    draws: MaskDraws, lengths: Int[Array, " B"], *, block: int, probability: float
) -> Bool[Array, "B T"]:
    """Masks the slots of each row that have the highest scores, all moved by the same part of a slot."""
    size = draws.scores.shape[1]
    counts, widths, slots = (jnp.asarray(table)[lengths] for table in _slots(size, block, probability))
    most = min(int(np.max(_slots(size, block, probability)[0])), size)
    scores = jnp.where(jnp.arange(size) < slots[:, None], draws.scores, -jnp.inf)
    chosen = jax.lax.top_k(scores, most)[1]
    offsets = jnp.floor(draws.offsets * widths).astype(jnp.int32)
    start = chosen * widths[:, None] + offsets[:, None]
    width = jnp.where(jnp.arange(most) < counts[:, None], widths[:, None], 0)
    return span_masks(start, width, size=size).any(1)


def _slots(size: int, block: int, probability: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes the masked slots, their width and the number of slots of rows of 0 to `size` frames.

    On the host, because a compiler may round a quotient differently, and the masks would not be NeMo's.
    """
    lengths = np.arange(size + 1)
    counts = np.ceil(lengths.astype(np.float32) * np.float32(probability) / np.float32(block)).astype(np.int64)
    widths = np.where((counts + 1) * block > lengths, lengths // (counts + 1), block).clip(1)
    slots = (lengths // widths - 1).clip(0)
    return np.minimum(counts, slots).astype(np.int32), widths.astype(np.int32), slots.astype(np.int32)
