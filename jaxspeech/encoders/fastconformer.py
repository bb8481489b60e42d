"""The encoder of FastConformer (Rekesh et al., 2023) and, with other fields, of Conformer (Gulati et al., 2020).

x, n = subsample(features, n);  x = layer(x, mask) for each of L layers;  y = W_out x
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.conformer_checks import check_conformer
from jaxspeech.encoders.conformer_context import layer_fields, part_context, whole_context
from jaxspeech.encoders.conformer_layer import LayerContext
from jaxspeech.encoders.layer_loop import loop_layers, reduce_frames
from jaxspeech.encoders.layer_outputs import INPUT, Layer, LayerOutput, wanted_layers, with_outputs
from jaxspeech.encoders.layer_scan import scan_layers
from jaxspeech.encoders.placed_kernels import Kernels, placed_kernels
from jaxspeech.encoders.visible_frames import VisibleFrames
from jaxspeech.history import HISTORY, in_parts, with_history
from jaxspeech.masks import zero_padding
from jaxspeech.nn.adapter import ATTENTION, Adapter
from jaxspeech.nn.convolution import Norm
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.positions import absolute_positions
from jaxspeech.nn.subsampling import Subsampling, frames_before, subsample
from jaxspeech.speaker_masks import SpeakerMasks


class FastConformer(nn.Module):
    """Encodes feature frames with a stack of Conformer layers.

    Attributes:
      num_layers, width, num_heads: L, D, H.
      subsampling, subsampling_factor, subsampling_channels: see `nn.subsampling`; a factor of 1 is one projection.
      causal_subsampling: subsampling convolutions without look-ahead, in time and in frequency.
      ff_expansion: hidden width of the feed-forward modules as a multiple of D.
      attention: "rel_pos", Transformer-XL's relative positions; "abs_pos", absolute positions added to the input; or
        "rel_pos_local", relative positions within a window (see `nn.local_attention`): without global frames equal to
        "rel_pos" with the same context, but in time and memory linear in the length instead of quadratic.
      attention_context: frames that a query attends to on the left and on the right, -1 without limit. Several pairs
        make one model with several look-aheads: each training step draws one, inference uses the first.
        For the style "chunked_limited_with_rc": (-1, -1), the whole recording, or (left, chunk, right).
      attention_context_weights: probability of each pair in training; None draws them uniformly.
      global_frames, global_spacing, global_projections: see `nn.local_self_attention`.
      attention_style: "regular" windows, "chunked_limited" (see `masks.chunked_context_mask`), or
        "chunked_limited_with_rc" of unified models, for whole recordings and for chunks (see `encoders.chunk_context`).
      attention_chunk_context: the frames that such a model is trained with: those on the left, of a chunk, and on the
        right. A training step draws one of each, or attends to whole recordings; None always does the latter.
      chunk_context_share: probability that a training step draws a chunk context.
      xscaling: multiply the subsampled frames by sqrt(D).
      untied_biases: each layer has its own biases of the relative attention; False shares one pair.
      use_bias: biases in the layers' projections and convolutions.
      conv_kernel, conv_context, conv_norm, conv_groups, norm_over_padding: see `nn.convolution`.
      conv_context_style: "regular", or "dcc": in a training step with a chunk context, convolutions see no frame after
        a chunk (dynamic chunk convolution, see `nn.depthwise`). In inference both are the same, as in NeMo.
      output_width: width of an output projection; None for no projection.
      reduction, reduction_position, reduction_factor: further subsampling, by "striding" convolutions or max "pooling",
        after the layer with that index; -1 is after the output projection.
      dropout, dropout_pre_encoder, dropout_emb, dropout_att: dropout of the residual branches, the subsampled frames,
        the relative positions, the attention weights.
      stochastic_depth, stochastic_depth_mode, stochastic_depth_start: largest probability of skipping a layer;
        "linear" growth over the layers or "uniform"; first layer that may be skipped.
      unet_skips: each layer of the second half also takes the input of its counterpart in the first half, the last
        layer that of the first: x = W [x, skip / sqrt 2] (Le et al., "Voicebox", 2023). Its layers are not stacked.
      adapter_width: hidden width of a linear adapter after each layer (see `nn.adapter`); 0 for none.
      adapters: further adapters in each layer, in their order; those that attend need attention to whole recordings.
      speaker_kernels: the layers whose input passes a speaker kernel (see `nn.speaker_kernel`), of the task
        "multitalker"; L stands for the output of the last one.
      background_kernels: whether speaker kernels have a network for the other speakers.
      dropout_speakers: dropout in the speaker kernels.
      scan_layers: True traces one layer and stacks the parameters on a leading axis of L ("layers"), which compiles in
        a fraction of the time. False makes L separate layers ("layers_0", ...), whose weights need no slicing: this is
        faster for inference on a CPU. See `encoders.layer_stack`.
      remat: what the backward pass recomputes in each layer: "none", everything except the outputs of projections and
        the sums between modules ("dots": less memory than "none" and, where memory bandwidth is the bottleneck,
        faster), or everything ("full").
      dtype: of the matrix products; parameters, statistics and softmax stay float32.
    """

    num_layers: int
    width: int
    num_heads: int
    subsampling: Subsampling = "dw_striding"
    subsampling_factor: int = 8
    subsampling_channels: int = 256
    causal_subsampling: bool = False
    ff_expansion: int = 4
    attention: Literal["rel_pos", "abs_pos", "rel_pos_local"] = "rel_pos"
    attention_context: tuple[int, int] | tuple[int, int, int] | tuple[tuple[int, int], ...] = (-1, -1)
    attention_context_weights: tuple[float, ...] | None = None
    attention_style: Literal["regular", "chunked_limited", "chunked_limited_with_rc"] = "regular"
    attention_chunk_context: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None = None
    chunk_context_share: float = 0.7
    global_frames: int = 0
    global_spacing: int = 1
    global_projections: bool = False
    xscaling: bool = False
    untied_biases: bool = True
    use_bias: bool = True
    conv_kernel: int = 9
    conv_context: tuple[int, int] | None = None
    conv_context_style: Literal["regular", "dcc"] = "regular"
    conv_norm: Norm = "batch"
    conv_groups: int = 1
    norm_over_padding: bool = False
    output_width: int | None = None
    reduction: Literal["striding", "pooling"] | None = None
    reduction_position: int = -1
    reduction_factor: int = 1
    dropout: float = 0.1
    dropout_pre_encoder: float = 0.1
    dropout_emb: float = 0.0
    dropout_att: float = 0.1
    stochastic_depth: float = 0.0
    stochastic_depth_mode: Literal["linear", "uniform"] = "linear"
    stochastic_depth_start: int = 1
    unet_skips: bool = False
    adapter_width: int = 0
    adapters: tuple[Adapter, ...] = ()
    speaker_kernels: tuple[int, ...] = ()
    background_kernels: bool = True
    dropout_speakers: float = 0.5
    scan_layers: bool = True
    remat: Literal["none", "dots", "full"] = "dots"
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_conformer(self)

    @property
    def contexts(self) -> Sequence[tuple[int, ...]]:
        """The attention contexts that the model is trained for; the first is that of inference.

        The chunk contexts of a unified model are not among them.
        """
        context: Any = self.attention_context
        return (context,) if isinstance(context[0], int) else context

    @property
    def visible(self) -> VisibleFrames:
        """Which frames each frame attends to."""
        return VisibleFrames(
            attention=self.attention,
            contexts=self.contexts,
            weights=self.attention_context_weights,
            style=self.attention_style,
            choices=self.attention_chunk_context,
            share=self.chunk_context_share,
            num_heads=self.num_heads,
            masked=any(adapter.kind in ATTENTION for adapter in self.adapters),
        )

    @property
    def total_factor(self) -> int:
        """Feature frames per encoder frame."""
        return self.subsampling_factor * (self.reduction_factor if self.reduction else 1)

    @property
    def depth(self) -> int:
        """The number of layers."""
        return self.num_layers

    @property
    def output_dim(self) -> int:
        """Width of the encoder's output."""
        return self.output_width or self.width

    @property
    def drop_probabilities(self) -> Float[Array, " L"]:
        """Probability of skipping each layer in training (stochastic depth, Lee and Watanabe, 2021)."""
        layer = jnp.arange(self.num_layers) - self.stochastic_depth_start + 1
        share = jnp.ones(self.num_layers)
        if self.stochastic_depth_mode == "linear":
            share = layer / max(self.num_layers - self.stochastic_depth_start, 1)
        return jnp.where(layer > 0, self.stochastic_depth * share, 0.0)

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        speakers: SpeakerMasks | None = None,
        *,
        train: bool = False,
        layers: Sequence[Layer] | None = None,
        only: Literal["subsampling", "layers"] | None = None,
        conditions: Kernels | None = None,
    ) -> Any:
        """Encodes `features`: whole rows, or the next part of each (see `jaxspeech.history`).

        A part that yields k encoder frames consists of f k feature frames, where f is the subsampling factor. Its last
        feature is the last one that these k frames depend on, so a recording starts with f - 1 meaningless features.

        Args:
          features, num_frames: of the recordings; for the layers alone, subsampled frames and their number.
          speakers: whom each row follows, for the speaker kernels; None: there is one speaker in each recording.
          train: whether gradients will be computed.
          layers: those whose outputs are returned too; see `encoders.layer_outputs`.
          only: what to compute of whole rows: the subsampling alone, or all that follows it. None: both.
          conditions: functions of the frames after a layer, by its number, whose results the next layer takes.

        Returns:
          (encoded [B T_out D_out], num_frames [B]); with `layers` a third value, the list of their outputs in this
          order. Values beyond num_frames are finite but meaningless.

        Raises:
          ConfigError: there is no such layer.
        """
        keep = wanted_layers(layers, self.num_layers)
        kept: dict[Layer, LayerOutput] = {}
        done = first = None
        if in_parts(self):
            factor = self.subsampling_factor
            done = self.variable(HISTORY, "frames", jnp.zeros, num_frames.shape, jnp.int32)
            features = with_history(self, "features", features, factor - 1)
            first = factor * done.value - frames_before(factor)
            num_frames = factor * (done.value - 1) + 1 + num_frames
        if only == "layers":
            x = zero_padding(features, num_frames).astype(self.dtype)
        else:
            x, num_frames = subsample(
                features,
                num_frames,
                kind=self.subsampling,
                factor=self.subsampling_factor,
                channels=self.subsampling_channels,
                width=self.width,
                causal=self.causal_subsampling,
                dtype=self.dtype,
                first=first,
            )
        if only == "subsampling":
            return x, num_frames
        if self.xscaling:
            x = x * math.sqrt(self.width)
        if self.attention == "abs_pos":
            x = x + absolute_positions(x.shape[1], self.width).astype(x.dtype)
        x = Dropout(self.dropout_pre_encoder, name="dropout_pre_encoder")(x, train=train)

        biases = None
        if self.attention != "abs_pos" and not self.untied_biases:
            heads = (self.num_heads, self.width // self.num_heads)
            zeros = nn.initializers.zeros_init()
            biases = (self.param("bias_u", zeros, heads), self.param("bias_v", zeros, heads))

        # Drawn once: all layers, also those after a reduction, have the same context.
        key = self.make_rng("dropout") if train and self.visible.varies else None
        if done is None:
            context = whole_context(self, x, num_frames, biases, key, train=train)
        else:
            context = part_context(self, x, num_frames, biases, done=done.value)
            num_frames = jnp.clip(num_frames - done.value, 0, x.shape[1])
            done.value += num_frames
        kept[INPUT] = LayerOutput(x, num_frames)
        fields = layer_fields(self, x.shape[1], key, in_parts=done is not None)
        kernels = placed_kernels(self, x, speakers, num_frames, train=train)
        x = kernels[0](x) if 0 in kernels else x
        if self.scan_layers and self.reduction is None and not self.unet_skips:
            numbers = sorted(layer for layer in keep if isinstance(layer, int))
            options: Any = {"conditions": conditions or {}, "keep": numbers, "train": train}
            x, outputs = scan_layers(self, x, context, fields, kernels, **options)
            kept |= {layer: LayerOutput(outputs[k], num_frames) for k, layer in enumerate(numbers)}
        else:

            def reduced(x: Array, num_frames: Array) -> tuple[LayerContext, dict[str, Any]]:
                context = whole_context(self, x, num_frames, biases, key, train=train)
                return context, layer_fields(self, x.shape[1], key, in_parts=False)

            options = {"conditions": conditions or {}, "reduced": reduced, "keep": keep, "train": train}
            x, num_frames, looped = loop_layers(self, x, num_frames, (context, fields), kernels, **options)
            kept |= looped

        if self.output_width is not None:
            out = dense(self.output_width, self.width, name="out", dtype=self.dtype)
            x = out(x)
            kept = {layer: y if layer == INPUT else y._replace(frames=out(y.frames)) for layer, y in kept.items()}
        if self.reduction and self.reduction_position == -1:
            x, num_frames = reduce_frames(self, x, num_frames)
        return with_outputs(x, num_frames, layers, kept)
