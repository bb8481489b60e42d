"""Recognises speech step by step while it is spoken, with the same numbers as for the whole recording.

samples -> the model, which continues from its history -> greedy search, which continues from its state -> new tokens

A model can stream if its convolutions only look back, and its attention is limited to a chunk of R + 1 frames and a
fixed number of frames before it; R is the look-ahead (Noroozi et al., "Stateful Conformer with Cache-based Inference
for Streaming Automatic Speech Recognition", 2024). Every step is one call with fixed shapes for all rows.

A unified model, whose layers all look ahead, streams in windows instead: see `forms.window_streaming`. So does a model
with an attention decoder: see `forms.attention_streaming`.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from jaxspeech.decoders.lstm_head import LSTMHead
from jaxspeech.encoders.chunk_context import UNIFIED
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.forms.attention_streaming import attention_streaming
from jaxspeech.forms.streaming_form import NewTokens, Streaming, StreamState, rows_where
from jaxspeech.forms.window_streaming import what_prevents_windows, window_streaming
from jaxspeech.history import HISTORY
from jaxspeech.nn.attention import POSITIONS
from jaxspeech.search.attention_stream import Policy, Rules
from jaxspeech.speaker_masks import one_speaker
from jaxspeech.tasks.attention_model import AttentionModel
from jaxspeech.types import Variables


def streaming(
    task: Any,
    *,
    look_ahead: int | None = None,
    chunk: int | None = None,
    chunks: int = 1,
    left: int | None = None,
    rules: Mapping[str, Any] = MappingProxyType({}),
) -> Streaming:
    """Makes the streaming form of a recogniser, with greedy search.

    Args:
      task: the model's task; the encoder's layers must not be stacked.
      look_ahead: R, one of those that the model supports; the first of them by default.
      chunk: of a unified model or one with an attention decoder, frames that a step adds; see
        `forms.window_streaming` and `forms.attention_streaming`.
      chunks: of any other model, chunks of R + 1 frames in one step; more cost less, but add latency.
      left: of a model with an attention decoder, frames before the chunk that a step encodes again.
      rules: of an attention decoder: fields of `search.attention_stream.Rules`.

    Raises:
      ConfigError: the model cannot stream (the message lists all reasons), or does not support these options.
    """
    obstacles, search = what_prevents(task), task.inference.incremental
    if isinstance(task.model, AttentionModel) and not obstacles:
        if chunks != 1:
            raise ConfigError(f"chunks {chunks}: a step of this model takes one chunk; choose its frames with chunk")
        sizes = {"look_ahead": look_ahead, "chunk": chunk, "left": left}
        return attention_streaming(task.model, _checked(rules), **sizes)
    if obstacles or search is None:
        advice = "configs/fastconformer_streaming.py trains one that can"
        raise ConfigError(f"this model cannot stream: {'; '.join(obstacles)}. {advice}")
    for name in (*rules, *(() if left is None else ("left",))):
        raise ConfigError(f"{name}: this model has no attention decoder, and so no such choice")
    if chunks < 1:
        raise ConfigError(f"chunks is {chunks}; a step takes at least 1")
    if _is_unified(task.model):
        if chunks != 1:
            raise ConfigError(f"chunks {chunks}: a step of this model takes one chunk; choose its frames with chunk")
        return window_streaming(task, look_ahead=look_ahead, chunk=chunk)
    if chunk is not None:
        raise ConfigError(f"chunk {chunk}: the chunks of this model have look_ahead + 1 frames")
    model = _with_look_ahead(task.model, look_ahead)
    encoder, frontend = model.encoder, model.frontend
    ahead = encoder.contexts[0][1]
    hop, fft = frontend.hop_and_fft
    chunk_samples = encoder.subsampling_factor * hop
    step_samples = chunks * (ahead + 1) * chunk_samples
    apply: Any = partial(model.apply, method="encode")

    def beside(batch_size: int) -> tuple[Any, ...]:
        return (one_speaker(batch_size, chunks * (ahead + 1)),) if encoder.speaker_kernels else ()

    def silence(batch_size: int) -> tuple[Any, ...]:
        return jnp.zeros((batch_size, step_samples)), jnp.full(batch_size, step_samples), *beside(batch_size)

    def prepare(variables: Variables) -> Variables:
        _, made = apply(variables, *silence(1), mutable=[HISTORY, POSITIONS])
        return {**variables, POSITIONS: made.get(POSITIONS, {})}

    def start(variables: Variables, batch_size: int) -> StreamState:
        _, made = jax.eval_shape(partial(apply, mutable=[HISTORY]), variables, *silence(batch_size))
        history = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), made[HISTORY])
        return StreamState(history, search.start(variables, batch_size))

    def step(
        variables: Variables,
        state: StreamState,
        samples: Float[Any, "B S"],
        num_samples: Int[Any, " B"],
        ends: Bool[Any, " B"],
        *beside: Any,
    ) -> tuple[NewTokens, StreamState]:
        del ends  # fewer samples than a step's end a row
        inputs = {**variables, HISTORY: state.history}, samples, num_samples, *beside
        (encoded, num_frames), made = apply(*inputs, mutable=[HISTORY])
        continues = jnp.asarray(num_samples) > 0
        num_frames = jnp.where(continues, num_frames, 0)
        tokens, again, found = search.step(variables, encoded, num_frames, state.search)
        history = jax.tree.map(partial(rows_where, continues), made[HISTORY], state.history)
        return NewTokens(tokens, again, num_frames), StreamState(history, found)

    return Streaming(
        prepare=prepare,
        start=start,
        step=step,
        step_samples=step_samples,
        lead_in=chunk_samples - fft // 2,
        right_samples=0,
        sample_rate=frontend.sample_rate,
        frame_seconds=model.frame_seconds,
        look_ahead=ahead,
        beside=beside,
        prompt_tokens=int(task.inference.prompted),
    )


def what_prevents(task: Any) -> list[str]:
    """The reasons why a model cannot stream, each as a phrase; empty if it can."""
    model: Any = task.model
    if isinstance(model, AttentionModel):
        found = {
            "it searches with a beam (beam_size)": model.search.beam_size > 1,
            "it searches with its CTC head (ctc_weight)": model.search.ctc_weight > 0,
        }
        return [reason for reason, holds in found.items() if holds]
    encoder, frontend = model.encoder, model.frontend
    if not isinstance(encoder, FastConformer):
        return [f"only a Conformer or FastConformer streams, and its encoder is a {type(encoder).__name__}"]
    if _is_unified(model):
        return what_prevents_windows(task)
    style = encoder.attention_style
    found = {
        "its features are not log-mel": not isinstance(frontend, MelSpectrogram),
        f"its features are normalised over the recording ({getattr(frontend, 'normalize', '')})": getattr(
            frontend, "normalize", "none"
        )
        != "none",
        "its frames are not centred": getattr(frontend, "exact_pad", False),
        f"its attention is {encoder.attention}": encoder.attention != "rel_pos",
        f"its attention has no limit on both sides ({encoder.attention_context}, {style})": any(
            left < 0 or right < 0 for left, right in encoder.contexts
        ),
        f"its attention looks ahead in every layer ({encoder.attention_context}, {style})": style == "regular"
        and any(right > 0 for _, right in encoder.contexts),
        "its subsampling looks ahead": not (
            encoder.causal_subsampling and encoder.subsampling in ("striding", "dw_striding")
        ),
        "its convolutions look ahead": encoder.conv_context != (encoder.conv_kernel - 1, 0),
        "a group norm needs the whole recording": encoder.conv_norm == "group",
        "its encoder reduces the frames further": encoder.reduction is not None,
        "its layers are stacked (scan_layers)": encoder.scan_layers,
        "it searches with a beam (beam_size)": task.inference.incremental is None,
        "its head has an LSTM": isinstance(model.decoder, LSTMHead),
    }
    return [reason for reason, holds in found.items() if holds]


def _checked(rules: Mapping[str, Any]) -> Rules:
    """Fills in the defaults.

    Raises:
      ConfigError: a value is unknown or too small.
    """
    found = Rules(**rules)
    if found.policy not in get_args(Policy):
        raise ConfigError(f"policy {found.policy!r}{did_you_mean(str(found.policy), get_args(Policy))}")
    for name, least in (("wait", 0), ("tokens", 1), ("hold", 0)):
        if getattr(found, name) < least:
            raise ConfigError(f"{name} {getattr(found, name)}: must be at least {least}")
    return found


def _is_unified(model: Any) -> bool:
    return isinstance(model.encoder, FastConformer) and model.encoder.attention_style == UNIFIED


def _with_look_ahead(model: Any, look_ahead: int | None) -> Any:
    contexts = model.encoder.contexts
    ways = {right: (left, right) for left, right in reversed(contexts)}
    if look_ahead is None:
        look_ahead = contexts[0][1]
    if look_ahead not in ways:
        seconds = ", ".join(f"{right} ({(right + 1) * model.frame_seconds:.2f} s)" for right in sorted(ways))
        raise ConfigError(f"look_ahead {look_ahead}: this model has {seconds}")
    encoder = model.encoder.clone(attention_context=ways[look_ahead], attention_context_weights=None)
    return model.clone(encoder=encoder)
