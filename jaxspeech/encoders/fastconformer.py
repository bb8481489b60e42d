"""The encoder of FastConformer (Rekesh et al., 2023) and, with other fields, of Conformer (Gulati et al., 2020).

x, n = subsample(features, n);  x = layer(x, mask) for each of L layers;  y = W_out x
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.chunk_context import check_chunk_context
from jaxspeech.encoders.conformer_layer import ConformerLayer, LayerContext
from jaxspeech.encoders.shared_layer import apply_shared, can_share
from jaxspeech.encoders.visible_frames import VisibleFrames
from jaxspeech.errors import ConfigError
from jaxspeech.gathering import GATHERED, layer_gather
from jaxspeech.history import HISTORY, in_parts, with_history
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.nn.convolution import Norm
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.local_attention import reach
from jaxspeech.nn.materialize import KEPT
from jaxspeech.nn.positions import absolute_positions, relative_positions
from jaxspeech.nn.speaker_kernel import SpeakerKernel
from jaxspeech.nn.subsampling import ConvSubsampling, Subsampling, frames_before, subsample
from jaxspeech.speaker_masks import SpeakerMasks, one_speaker

# The fields that Flax Linen adds to every module.
MODULE_FIELDS = ("parent", "name")


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
      adapter_width: hidden width of an adapter after each layer (see `nn.adapter`); 0 for none.
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
    speaker_kernels: tuple[int, ...] = ()
    background_kernels: bool = True
    dropout_speakers: float = 0.5
    scan_layers: bool = True
    remat: Literal["none", "dots", "full"] = "dots"
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.attention_context_weights
        if weights and len(weights) != len(self.contexts):
            raise ConfigError(f"attention_context_weights has {len(weights)} numbers for {len(self.contexts)} contexts")
        check_chunk_context(
            self.attention_style, self.attention_context, self.attention_chunk_context, self.chunk_context_share
        )
        if self.attention == "rel_pos_local":
            if self.attention_style != "regular" or len(self.contexts) > 1 or min(self.contexts[0]) < 0:
                given = f"{self.attention_style} {self.attention_context}"
                raise ConfigError(f"local attention needs one regular attention_context, without -1, not {given}")
        elif self.global_frames:
            raise ConfigError(f"global_frames {self.global_frames}: only attention 'rel_pos_local' has global frames")
        if self.unet_skips and self.num_layers % 2:
            raise ConfigError(f"num_layers {self.num_layers}: with unet_skips it must be even, to have two halves")
        if self.unet_skips and self.reduction is not None:
            raise ConfigError("unet_skips join layers of the same frame rate: use no reduction with them")
        places = list(self.speaker_kernels)
        if places != sorted({*places} & {*range(self.num_layers + 1)}):
            raise ConfigError(f"speaker_kernels {places}: must be ascending numbers of layers, 0 to {self.num_layers}")
        if places and self.reduction is not None:
            raise ConfigError(f"speaker_kernels {places}: the masks have the frames before the reduction")

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
        )

    @property
    def total_factor(self) -> int:
        """Feature frames per encoder frame."""
        return self.subsampling_factor * (self.reduction_factor if self.reduction else 1)

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
        return_layers: bool = False,
        only: Literal["subsampling", "layers"] | None = None,
    ) -> Any:
        """Encodes `features`: whole rows, or the next part of each (see `jaxspeech.history`).

        A part that yields k encoder frames consists of f k feature frames, where f is the subsampling factor. Its last
        feature is the last one that these k frames depend on, so a recording starts with f - 1 meaningless features.

        Args:
          features, num_frames: of the recordings; for the layers alone, subsampled frames and their number.
          speakers: whom each row follows, for the speaker kernels; None: there is one speaker in each recording.
          train: whether gradients will be computed.
          return_layers: see below.
          only: what to compute of whole rows: the subsampling alone, or all that follows it. None: both.

        Returns:
          (encoded [B T_out D_out], num_frames [B]); with `return_layers` a third value, the list of the subsampled
          frames and each layer's output. Values beyond num_frames are finite but meaningless.
        """
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
            context = self._context(x, num_frames, biases, key, train=train)
        else:
            context = self._part_context(x, num_frames, biases, done=done.value)
            num_frames = jnp.clip(num_frames - done.value, 0, x.shape[1])
            done.value += num_frames
        layers, fields = [x], self._layer_fields(x.shape[1], key, in_parts=done is not None)
        kernels = self._kernels(x, speakers, num_frames, train=train)
        x = kernels[0](x) if 0 in kernels else x
        if self.scan_layers and self.reduction is None and not self.unet_skips:
            x, outputs = self._scan(x, context, fields, kernels, train=train, return_layers=return_layers)
            layers += [] if outputs is None else list(outputs)
        else:
            layer_class = self._rematerialised(ConformerLayer, static_argnums=(4,))
            skipped: list[Array] = []
            for i in range(self.num_layers):
                if self.unet_skips and i < self.num_layers // 2:
                    skipped.append(x)
                elif self.unet_skips:
                    both = jnp.concatenate([x, skipped.pop() / math.sqrt(2.0)], -1)
                    x = dense(self.width, 2 * self.width, name=f"skip_{i}", dtype=self.dtype)(both)
                if can_share(self, train=train):
                    x = apply_shared(ConformerLayer(**fields, name=f"layers_{i}"), x, context)
                else:
                    layer = layer_class(**fields, name=f"layers_{i}")
                    x = layer(x, context, self.drop_probabilities[i], train)
                x = kernels[i + 1](x) if i + 1 in kernels else x
                layers.append(x)
                if self.reduction and self.reduction_position == i:
                    x, num_frames = self._reduce(x, num_frames)
                    context = self._context(x, num_frames, biases, key, train=train)
                    fields = self._layer_fields(x.shape[1], key, in_parts=False)

        if self.output_width is not None:
            x = dense(self.output_width, self.width, name="out", dtype=self.dtype)(x)
        if self.reduction and self.reduction_position == -1:
            x, num_frames = self._reduce(x, num_frames)
        return (x, num_frames, layers) if return_layers else (x, num_frames)

    def _reduce(self, x: Array, num_frames: Array) -> tuple[Array, Array]:
        factor = self.reduction_factor
        if self.reduction == "pooling":
            return nn.max_pool(x, (factor,), (factor,)), num_frames // factor
        width = x.shape[-1]
        return ConvSubsampling(factor, width, width, depthwise=False, dtype=self.dtype, name="reduction")(x, num_frames)

    def _kernels(
        self, x: Array, speakers: SpeakerMasks | None, num_frames: Array, *, train: bool
    ) -> dict[int, Callable[[Array], Array]]:
        """Returns the speaker kernels by their place, as functions of the frames that any scan can call."""
        if not self.speaker_kernels:
            return {}
        masks = (one_speaker(x.shape[0]) if speakers is None else speakers).aligned(num_frames, x.shape[1])
        kernels = {}
        for place in self.speaker_kernels:
            options: Any = self.background_kernels, self.dropout_speakers, self.dtype
            kernel = SpeakerKernel(*options, name=f"speaker_kernel_{place}")
            if self.is_initializing():
                kernel(x, *masks)
            key = self.make_rng("dropout") if train and self.dropout_speakers else None
            kernels[place] = partial(_apply_kernel, kernel.clone(parent=None, name=None), kernel.variables, key, masks)
        return kernels

    def _context(
        self, x: Array, num_frames: Array, biases: tuple[Array, Array] | None, key: Any, *, train: bool
    ) -> LayerContext:
        """Computes the inputs that all layers at this frame rate share; with `key`, it draws the attention context."""
        size, visible = x.shape[1], self.visible
        frames = mask = length_mask(num_frames, size)
        limits = visible.limits(size, key)
        window = visible.in_blocks(size, key)
        if window is None:
            mask = visible.pairs(num_frames, size, limits, key, train=train)
        positions = None
        if self.attention != "abs_pos":
            furthest = (size - 1, size - 1) if window is None else reach(window.left, window.right, window.chunk)
            positions = relative_positions(*furthest, self.width).astype(self.dtype)
            positions = Dropout(self.dropout_emb)(positions, train=train)
        chunked = limits is not None and key is not None and self.conv_context_style == "dcc"
        return LayerContext(frames, mask, positions, biases, limits.chunk if limits and chunked else None)

    def _part_context(
        self, x: Array, num_frames: Array, biases: tuple[Array, Array] | None, *, done: Int[Array, " B"]
    ) -> LayerContext:
        """Computes the same for parts of rows that start at frame `done`, after the frames that the layers remember."""
        size, visible = x.shape[1], self.visible
        frames, mask = visible.of_part(num_frames, size, done)
        positions = relative_positions(visible.frames_remembered + size - 1, size - 1, self.width).astype(self.dtype)
        return LayerContext(frames, mask, positions, biases)

    def _layer_fields(self, num_frames: Any, key: Any, *, in_parts: bool) -> dict[str, Any]:
        """Returns the fields of the layers for T frames: those of the same name here, and those of their attention."""
        fields = {name: getattr(self, name) for name in ConformerLayer.__dataclass_fields__ if hasattr(self, name)}
        fields = {name: value for name, value in fields.items() if name not in MODULE_FIELDS}
        window = None if in_parts else self.visible.in_blocks(num_frames, key)
        if window is None:
            return fields | {"attention_context": (-1, -1)}
        local = {"attention_context": (window.left, window.right), "attention_chunk": window.chunk}
        return fields | {"attention": "rel_pos_local"} | local

    def _rematerialised(self, layer: Any, **options: Any) -> Any:
        """Wraps `layer`, a module class or a function, so that the backward pass recomputes what `remat` says."""
        policies = jax.checkpoint_policies
        policy = None
        if self.remat == "dots":
            named = policies.save_only_these_names(KEPT)
            policy = policies.save_from_both_policies(policies.dots_with_no_batch_dims_saveable, named)
        if self.remat == "none":
            if self._layer_gather is None:
                return layer
            policy = policies.save_anything_except_these_names(GATHERED)
        return nn.remat(layer, policy=policy, **options)

    @property
    def _layer_gather(self) -> Callable[[Any], Any] | None:
        return layer_gather((*self.path, "layers")) if self.scan_layers and not self.is_initializing() else None

    def _scan(
        self,
        x: Array,
        context: LayerContext,
        fields: dict[str, Any],
        kernels: dict[int, Callable[[Array], Array]],
        *,
        train: bool,
        return_layers: bool,
    ) -> tuple[Array, Float[Array, "L B T D"] | None]:
        """Runs all layers, and the kernels after them, as a scan over one traced layer."""
        after = [place for place in kernels if place > 0]
        # For each layer, which of `ways` follows it; None if that is the first one for all.
        numbers = [after.index(i + 1) + 1 if i + 1 in after else 0 for i in range(self.num_layers)]
        ways = [lambda x: x, *(kernels[place] for place in after)]

        def body(layer: ConformerLayer, x: Array, each: tuple[Array, Array | None]) -> tuple[Array, Array | None]:
            drop_probability, number = each
            x = layer(x, context, drop_probability, train)
            x = x if number is None else jax.lax.switch(number, ways, x)
            return x, (x if return_layers else None)

        scan = nn.scan(
            self._rematerialised(body, prevent_cse=False),
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True, "dropout": True, "stochastic_depth": True},
            length=self.num_layers,
        )
        layer: Any = ConformerLayer
        if (gather := self._layer_gather) is not None:
            layer = nn.map_variables(layer, "params", trans_in_fn=gather)
        each = self.drop_probabilities, jnp.asarray(numbers) if after else None
        return scan(layer(**fields, name="layers"), x, each)


def _apply_kernel(
    kernel: SpeakerKernel, variables: Any, key: Any, masks: tuple[Array, Array], x: Float[Array, "B T D"]
) -> Float[Array, "B T D"]:
    rngs = {} if key is None else {"dropout": key}
    apply: Any = kernel.apply
    return apply(variables, x, *masks, train=key is not None, rngs=rngs)
