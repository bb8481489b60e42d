"""Computes what all layers of a `FastConformer` share at one frame rate: masks, positions, fields of the layers."""

from typing import Any

from jaxtyping import Array, Float, Int

from jaxspeech.encoders.conformer_layer import ConformerLayer, LayerContext
from jaxspeech.masks import length_mask
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.local_attention import reach
from jaxspeech.nn.positions import relative_positions

# The fields that Flax Linen adds to every module.
MODULE_FIELDS = ("parent", "name")
Biases = tuple[Array, Array] | None


def whole_context(
    encoder: Any, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], biases: Biases, key: Any, *, train: bool
) -> LayerContext:
    """Computes the context of whole rows; with `key`, it draws the attention context."""
    size, visible = x.shape[1], encoder.visible
    frames = mask = length_mask(num_frames, size)
    limits = visible.limits(size, key)
    window = visible.in_blocks(size, key)
    if window is None:
        mask = visible.pairs(num_frames, size, limits, key, train=train)
    positions = None
    if encoder.attention != "abs_pos":
        furthest = (size - 1, size - 1) if window is None else reach(window.left, window.right, window.chunk)
        positions = relative_positions(*furthest, encoder.width).astype(encoder.dtype)
        positions = Dropout(encoder.dropout_emb)(positions, train=train)
    chunked = limits is not None and key is not None and encoder.conv_context_style == "dcc"
    return LayerContext(frames, mask, positions, biases, limits.chunk if limits and chunked else None)


def part_context(
    encoder: Any, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], biases: Biases, *, done: Int[Array, " B"]
) -> LayerContext:
    """Computes the same for parts of rows that start at frame `done`, after the frames that the layers remember."""
    size, visible = x.shape[1], encoder.visible
    frames, mask = visible.of_part(num_frames, size, done)
    positions = relative_positions(visible.frames_remembered + size - 1, size - 1, encoder.width)
    return LayerContext(frames, mask, positions.astype(encoder.dtype), biases)


def layer_fields(encoder: Any, num_frames: Any, key: Any, *, in_parts: bool) -> dict[str, Any]:
    """Returns the fields of the layers for T frames: those of the same name in the encoder, and of their attention."""
    fields = {name: getattr(encoder, name) for name in ConformerLayer.__dataclass_fields__ if hasattr(encoder, name)}
    fields = {name: value for name, value in fields.items() if name not in MODULE_FIELDS}
    window = None if in_parts else encoder.visible.in_blocks(num_frames, key)
    if window is None:
        return fields | {"attention_context": (-1, -1)}
    local = {"attention_context": (window.left, window.right), "attention_chunk": window.chunk}
    return fields | {"attention": "rel_pos_local"} | local
