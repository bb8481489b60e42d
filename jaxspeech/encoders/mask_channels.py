"""A mask estimator for any number of channels (Jukic et al., 2023; NeMo's MaskEstimatorFlexChannels).

x = conformer(channels(x))    for each block before the reduction, in which all channels have the same weights
x = reduce(x)                 over the channels
x = conformer(x)              for each block after it
mask_m = sigmoid(conformer_m(x))    for each of M outputs
"""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.nn.multichannel import AttentionPooling, TransformAndShare
from jaxspeech.signal.multichannel import Normalization, Reduction, channel_features

# Heads of the attention over channels in a block, as in NeMo.
CHANNEL_HEADS = 4


class MaskChannels(nn.Module):
    """Estimates masks of M outputs from a spectrogram of any number of channels.

    Attributes:
      num_outputs: M.
      num_blocks: pairs of a layer over channels and a Conformer over time.
      reduction_position: number of blocks before the channels are reduced to one; -1 for all blocks.
      reduction: "average", or "attention" (see `nn.multichannel`).
      sharing: how a channel learns of the others: by their "average", or by "attention".
      num_layers, num_heads, width: of each block's Conformer; an output has a Conformer of one layer.
      attention, attention_context: of the Conformers, see `encoders.fastconformer`.
      magnitudes, magnitude_power, magnitude_norm: the magnitudes, see `signal.multichannel.channel_features`: the
        arguments `reduction`, `power` and `normalize`.
      phase_differences, phase_norm: of the same function.
      dropout, dropout_pre_encoder, dropout_emb, dropout_att: of the Conformers.
      scan_layers, remat, dtype: of the Conformers.
    """

    num_blocks: int
    num_outputs: int = 1
    reduction_position: int = -1
    reduction: Literal["average", "attention"] = "attention"
    sharing: Literal["average", "attention"] = "attention"
    num_layers: int = 5
    num_heads: int = 4
    width: int = 128
    attention: Literal["rel_pos", "abs_pos", "rel_pos_local"] = "rel_pos"
    attention_context: tuple[int, int] = (-1, -1)
    magnitudes: Reduction = "abs_mean"
    magnitude_power: float | None = None
    magnitude_norm: Normalization = "none"
    phase_differences: bool = True
    phase_norm: Normalization = "none"
    dropout: float = 0.1
    dropout_pre_encoder: float = 0.1
    dropout_emb: float = 0.1
    dropout_att: float = 0.0
    norm_over_padding: bool = False
    scan_layers: bool = True
    remat: Literal["none", "dots", "full"] = "dots"
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1 <= self.reduction_position <= self.num_blocks:
            raise ConfigError(f"reduction_position {self.reduction_position}: there are {self.num_blocks} blocks")
        if self.width % 2 or self.width % self.num_heads:
            raise ConfigError(f"width {self.width} must be even, and a multiple of {self.num_heads} heads")
        for name in ("reduction", "sharing"):
            if getattr(self, name) not in ("average", "attention"):
                raise ConfigError(f"{name} {getattr(self, name)!r}: use average or attention")

    any_channels = True

    @property
    def blocks_before(self) -> int:
        """Number of blocks before the reduction."""
        return self.num_blocks if self.reduction_position == -1 else self.reduction_position

    @nn.compact
    def __call__(
        self, spectra: Complex[Array, "B C N F"], num_frames: Int[Array, " B"], *, train: bool = False
    ) -> Float[Array, "B M N F"]:
        """Estimates the masks, in [0, 1]; zero beyond each row's frames."""
        x = channel_features(
            spectra,
            num_frames,
            reduction=self.magnitudes,
            power=self.magnitude_power,
            normalize=self.magnitude_norm,
            phase_differences=self.phase_differences,
            phase_normalize=self.phase_norm,
        )
        heads = CHANNEL_HEADS if self.sharing == "attention" else 0
        for i in range(self.num_blocks):
            conformer = self._conformer(self.num_layers, None, f"temporal_{i}")
            if i < self.blocks_before:
                x = TransformAndShare(self.width, heads, self.dtype, name=f"channels_{i}")(x)
                rows, channels = x.shape[:2]
                x = x.reshape(rows * channels, *x.shape[2:])
                x, _ = conformer(x, jnp.repeat(num_frames, channels, total_repeat_length=x.shape[0]), train=train)
                x = x.reshape(rows, channels, *x.shape[1:])
            else:
                x = self._reduce(x) if i == self.blocks_before else x
                x, _ = conformer(x, num_frames, train=train)
        if self.blocks_before == self.num_blocks:
            x = self._reduce(x)
        outputs = [self._conformer(1, spectra.shape[-1], f"output_{m}") for m in range(self.num_outputs)]
        masks = [jax.nn.sigmoid(output(x, num_frames, train=train)[0].astype(jnp.float32)) for output in outputs]
        return jnp.stack([zero_padding(mask, num_frames) for mask in masks], 1)

    def _reduce(self, x: Float[Array, "B C N D"]) -> Float[Array, "B N D"]:
        return x.mean(1) if self.reduction == "average" else AttentionPooling(dtype=self.dtype, name="pooling")(x)

    def _conformer(self, num_layers: int, output_width: int | None, name: str) -> FastConformer:
        """A Conformer as NeMo's class makes it by default, at the rate of the spectrogram."""
        return FastConformer(
            num_layers=num_layers,
            width=self.width,
            num_heads=self.num_heads,
            subsampling="striding",
            subsampling_factor=1,
            attention=self.attention,
            attention_context=self.attention_context,
            xscaling=True,
            conv_kernel=31,
            output_width=None if output_width == self.width else output_width,
            dropout=self.dropout,
            dropout_pre_encoder=self.dropout_pre_encoder,
            dropout_emb=self.dropout_emb,
            dropout_att=self.dropout_att,
            norm_over_padding=self.norm_over_padding,
            scan_layers=self.scan_layers,
            remat=self.remat,
            dtype=self.dtype,
            name=name,
        )
