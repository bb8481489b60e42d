"""Blocks with different kernels side by side, whose outputs are added up (CarneliNet, Kalinov et al., 2021).

y = block_1(x) + ... + block_n(x) + r,    r = x or W x

With dropout of blocks, training multiplies each block by 0 or 1 / (1 - p), and never all of them by 0.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.jasper_block import Block, JasperBlock
from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.nn.time_convolution import TimeConv1D


class ParallelBlock(nn.Module):
    """Computes the copies of a block side by side; its fields are those of `JasperBlock`."""

    block: Block
    activation: str
    weight_init: str
    norm_over_padding: bool
    dtype: Any

    @nn.compact
    def __call__(
        self, inputs: Sequence[Float[Array, "B T _"]], num_frames: Int[Array, " B"], train: bool
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        """Applies the blocks to the last input, and adds that input."""
        x, block = zero_padding(inputs[-1], num_frames), self.block
        shared = {name: getattr(self, name) for name in ("activation", "weight_init", "norm_over_padding", "dtype")}
        outputs = [
            JasperBlock(block=copy, **shared, name=f"copy_{i}")([x], num_frames, train)[0]
            for i, copy in enumerate(block.copies)
        ]
        if train and block.parallel_dropout:
            shares = kept_shares(self.make_rng("dropout"), len(outputs), rate=block.parallel_dropout)
            outputs = [y * share.astype(y.dtype) for y, share in zip(outputs, shares, strict=True)]
        if block.parallel_residual == "conv":
            conv = TimeConv1D(block.filters, 1, weight_init=self.weight_init, dtype=self.dtype, name="residual")
            x, _ = conv(x, num_frames)
        elif x.shape[-1] != block.filters:
            raise ConfigError(f'parallel_residual "sum" adds {x.shape[-1]} channels to {block.filters}: use "conv"')
        return sum(outputs, start=x.astype(self.dtype)), num_frames


def kept_shares(key: Any, count: int, *, rate: float) -> Float[Array, " N"]:
    """Draws the factor of each of `count` blocks: 0 with probability `rate`, else 1 / (1 - rate); never all 0."""

    def draw(state: Any) -> Any:
        key, _ = state
        key, drawn = jax.random.split(key)
        return key, jax.random.bernoulli(drawn, 1 - rate, (count,))

    _, kept = jax.lax.while_loop(lambda state: ~state[1].any(), draw, (key, jnp.zeros(count, bool)))
    return kept / (1 - rate)
