"""Checks the fields of a `FastConformer` that depend on each other."""

from typing import Any

from jaxspeech.encoders.chunk_context import check_chunk_context
from jaxspeech.errors import ConfigError
from jaxspeech.nn.adapter import ATTENTION


def check_conformer(encoder: Any) -> None:
    """Checks an encoder's attention, skips, adapters, speaker kernels and reduction.

    Raises:
      ConfigError: they contradict each other.
    """
    weights = encoder.attention_context_weights
    if weights and len(weights) != len(encoder.contexts):
        raise ConfigError(f"attention_context_weights has {len(weights)} numbers for {len(encoder.contexts)} contexts")
    check_chunk_context(
        encoder.attention_style,
        encoder.attention_context,
        encoder.attention_chunk_context,
        encoder.chunk_context_share,
    )
    if encoder.attention == "rel_pos_local":
        if encoder.attention_style != "regular" or len(encoder.contexts) > 1 or min(encoder.contexts[0]) < 0:
            given = f"{encoder.attention_style} {encoder.attention_context}"
            raise ConfigError(f"local attention needs one regular attention_context, without -1, not {given}")
    elif encoder.global_frames:
        raise ConfigError(f"global_frames {encoder.global_frames}: only attention 'rel_pos_local' has global frames")
    if encoder.unet_skips and encoder.num_layers % 2:
        raise ConfigError(f"num_layers {encoder.num_layers}: with unet_skips it must be even, to have two halves")
    if encoder.unet_skips and encoder.reduction is not None:
        raise ConfigError("unet_skips join layers of the same frame rate: use no reduction with them")
    _check_adapters(encoder)
    places = list(encoder.speaker_kernels)
    if places != sorted({*places} & {*range(encoder.num_layers + 1)}):
        raise ConfigError(f"speaker_kernels {places}: must be ascending numbers of layers, 0 to {encoder.num_layers}")
    if places and encoder.reduction is not None:
        raise ConfigError(f"speaker_kernels {places}: the masks have the frames before the reduction")


def _check_adapters(encoder: Any) -> None:
    names = [adapter.name for adapter in encoder.adapters]
    names += ["adapter"] if encoder.adapter_width else []  # what NeMo's files call it
    if len(set(names)) < len(names):
        raise ConfigError(f"adapters {', '.join(names)}: each must have a name of its own")
    kinds = {adapter.kind for adapter in encoder.adapters}
    if encoder.attention == "rel_pos_local" and kinds & {*ATTENTION}:
        raise ConfigError("adapters that attend see whole recordings: not with attention 'rel_pos_local'")
    if encoder.attention == "abs_pos" and "relative" in kinds:
        raise ConfigError("a relative adapter needs relative positions: not with attention 'abs_pos'")
    for adapter in encoder.adapters:
        if adapter.kind in ATTENTION and (adapter.width or encoder.width) % adapter.num_heads:
            raise ConfigError(f"adapter {adapter.name}: {encoder.width} cannot be split into {adapter.num_heads} heads")
