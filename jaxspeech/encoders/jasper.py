"""Convolutional encoders, which differ only in their blocks.

They are Jasper (Li et al., 2019), QuartzNet (Kriman et al., 2019), Citrinet (Majumdar et al., 2021), ContextNet (Han et
al., 2020) and CarneliNet (Kalinov et al., 2021). For one block see `encoders.jasper_block`, for blocks side by side
`encoders.parallel_block`.
"""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.jasper_block import ACTIVATIONS, Block, JasperBlock
from jaxspeech.encoders.layer_outputs import INPUT, Layer, LayerOutput, wanted_layers, with_outputs
from jaxspeech.encoders.parallel_block import ParallelBlock
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.nn.adapter import Adapter, check_linear
from jaxspeech.nn.initializers import CONVOLUTIONAL_INITS

# The fields of a block that are those of the encoder.
SHARED = ("activation", "weight_init", "norm_over_padding", "dtype")


class Jasper(nn.Module):
    """Encodes feature frames with a sequence of convolutional blocks.

    Attributes:
      blocks: in their order.
      activation: "relu" or "swish", of every block.
      weight_init: see `nn.initializers`.
      norm_over_padding: whether padded frames count in the statistics of a batch norm.
      adapters: linear ones at the end of each block, in their order (see `nn.adapter`).
      remat: recompute each block's activations in the backward pass instead of storing them.
      dtype: of the convolutions; parameters and statistics stay float32.
    """

    blocks: tuple[Block, ...]
    activation: str = "relu"
    weight_init: str = "xavier_uniform"
    norm_over_padding: bool = False
    adapters: tuple[Adapter, ...] = ()
    remat: bool = False
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.blocks:
            raise TypeError("at least one block is needed")
        for field, value, known in (
            ("activation", self.activation, tuple(ACTIVATIONS)),
            ("weight_init", self.weight_init, CONVOLUTIONAL_INITS),
        ):
            if value not in known:
                raise TypeError(f"{field} {value!r}{did_you_mean(value, known)}")
        check_linear("adapters", self.adapters)
        if self.adapters and any(block.parallel_kernels for block in self.blocks):
            raise ConfigError("adapters: not with parallel_kernels")

    @property
    def total_factor(self) -> int:
        """Feature frames per encoder frame."""
        return math.prod(block.total_stride for block in self.blocks)

    @property
    def depth(self) -> int:
        """The number of layers, which are the blocks."""
        return len(self.blocks)

    @property
    def output_dim(self) -> int:
        """Width of the encoder's output."""
        return self.blocks[-1].filters

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        *,
        train: bool = False,
        layers: Sequence[Layer] | None = None,
    ) -> Any:
        """Encodes features; see `encoders.encoder.Encoder`. Its layers are the blocks."""
        shared: dict[str, Any] = {name: getattr(self, name) for name in SHARED}
        shared |= {"adapters": self.adapters} if self.adapters else {}
        keep = wanted_layers(layers, self.depth)
        x, row = features, []
        kept: dict[Layer, LayerOutput] = {INPUT: LayerOutput(features, num_frames)}
        for i, block in enumerate(self.blocks):
            row = [*row, x] if block.residual and block.residual_dense else [x]
            module = ParallelBlock if block.parallel_kernels else JasperBlock
            module = nn.remat(module, static_argnums=(3,)) if self.remat else module
            x, num_frames = module(block=block, **shared, name=f"block_{i}")(row, num_frames, train)
            row = row if block.residual and block.residual_dense else []
            if i in keep:
                kept[i] = LayerOutput(x, num_frames)
        return with_outputs(x, num_frames, layers, kept)
