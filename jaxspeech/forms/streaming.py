"""Recognises speech step by step while it is spoken, with the same numbers as for the whole recording.

samples -> the model, which continues from its history -> greedy search, which continues from its state -> new tokens

A model can stream if its convolutions only look back, and its attention is limited to a chunk of R + 1 frames and a
fixed number of frames before it; R is the look-ahead (Noroozi et al., "Stateful Conformer with Cache-based Inference
for Streaming Automatic Speech Recognition", 2024). Every step is one call with fixed shapes for all rows.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.history import HISTORY
from jaxspeech.nn.attention import POSITIONS
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.recognition import RecognitionTask
from jaxspeech.types import Variables


class StreamState(NamedTuple):
    """The state that one step passes to the next, B leading in every leaf.

    Attributes:
      history: past activations that the model's layers need.
      search: `CTCState` or `GreedyState`.
    """

    history: Any
    search: Any


class NewTokens(NamedTuple):
    """The tokens that a step has found.

    Attributes:
      tokens: with frames counted from the beginning of each stream.
      again: how many of the first tokens replace the last ones of the previous step, which have grown longer.
      num_frames: encoder frames that each row has advanced.
    """

    tokens: Tokens
    again: Int[Any, " B"]
    num_frames: Int[Any, " B"]


class Streaming(NamedTuple):
    """Pure functions over one frozen module, like those of `Task` for whole recordings.

    Attributes:
      prepare: variables -> variables with values that all steps share, computed once.
      start: (prepared variables, batch size) -> the state before the first sample.
      step: (prepared variables, state, samples [B S], num_samples [B]) -> (NewTokens, state). Each row takes its next S
        samples; its first step takes `lead_in` zeros and S - `lead_in` samples. Fewer than S samples end the row; rows
        with none are unchanged.
      step_samples: S.
      lead_in: zeros before the first sample.
      sample_rate: in Hz.
      frame_seconds: seconds of audio per encoder frame.
      look_ahead: R, in encoder frames.
    """

    prepare: Callable[[Variables], Variables]
    start: Callable[[Variables, int], StreamState]
    step: Callable[[Variables, StreamState, Any, Any], tuple[NewTokens, StreamState]]
    step_samples: int
    lead_in: int
    sample_rate: int
    frame_seconds: float
    look_ahead: int

    @property
    def latency_seconds(self) -> float:
        """The longest time from a sample's arrival until its step has all the samples that it needs."""
        return self.step_samples / self.sample_rate


def streaming(task: RecognitionTask, *, look_ahead: int | None = None, chunks: int = 1) -> Streaming:
    """Makes the streaming form of a recogniser, with greedy search.

    Args:
      task: the model's task; the encoder's layers must not be stacked.
      look_ahead: R, one of those that the model supports; the first of them by default.
      chunks: chunks of R + 1 frames in one step; more cost less, but add latency.

    Raises:
      ConfigError: the model cannot stream (the message lists all reasons), or does not support this look-ahead.
    """
    obstacles, search = what_prevents(task), task.inference.incremental
    if obstacles or search is None:
        advice = "configs/fastconformer_streaming.py trains one that can"
        raise ConfigError(f"this model cannot stream: {'; '.join(obstacles)}. {advice}")
    if chunks < 1:
        raise ConfigError(f"chunks is {chunks}; a step takes at least 1")
    model = _with_look_ahead(task.model, look_ahead)
    encoder, frontend = model.encoder, model.frontend
    ahead = encoder.contexts[0][1]
    hop, fft = frontend.hop_and_fft
    chunk_samples = encoder.subsampling_factor * hop
    step_samples = chunks * (ahead + 1) * chunk_samples
    apply: Any = partial(model.apply, method="encode")

    def silence(batch_size: int) -> tuple[Any, Any]:
        return jnp.zeros((batch_size, step_samples)), jnp.full(batch_size, step_samples)

    def prepare(variables: Variables) -> Variables:
        _, made = apply(variables, *silence(1), mutable=[HISTORY, POSITIONS])
        return {**variables, POSITIONS: made.get(POSITIONS, {})}

    def start(variables: Variables, batch_size: int) -> StreamState:
        _, made = jax.eval_shape(partial(apply, mutable=[HISTORY]), variables, *silence(batch_size))
        history = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), made[HISTORY])
        return StreamState(history, search.start(variables, batch_size))

    def step(
        variables: Variables, state: StreamState, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[NewTokens, StreamState]:
        inputs = {**variables, HISTORY: state.history}, samples, num_samples
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
        sample_rate=frontend.sample_rate,
        frame_seconds=model.frame_seconds,
        look_ahead=ahead,
    )


def what_prevents(task: RecognitionTask) -> list[str]:
    """The reasons why a model cannot stream, each as a phrase; empty if it can."""
    model: Any = task.model
    encoder, frontend = model.encoder, model.frontend
    if not isinstance(encoder, FastConformer):
        return [f"only a Conformer or FastConformer streams, and its encoder is a {type(encoder).__name__}"]
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
    }
    return [reason for reason, holds in found.items() if holds]


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


def rows_where(rows: Bool[Array, " B"], new: Array, old: Array) -> Array:
    """Takes rows of `new` where `rows` is true, else of `old`; `new` may be a scalar."""
    return jnp.where(rows.reshape(-1, *[1] * (old.ndim - 1)), new, old)
