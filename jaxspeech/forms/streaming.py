"""Speech recognition while it is spoken: the same numbers as of the whole recording, part by part.

samples -> the model, which goes on from its history -> greedy search, which goes on from its state -> new tokens

A model can stream whose convolutions look back only, and whose attention stays within chunks of R + 1 frames and those
before them: R is the look-ahead (Noroozi et al., "Stateful Conformer with Cache-based Inference for Streaming
Automatic Speech Recognition", 2024). Every step is one call of fixed shapes for all rows, whatever their age.
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
    """What one step hands to the next, B leading in every leaf.

    Attributes:
      history: what the model's layers look back at.
      search: `CTCState` or `GreedyState`.
    """

    history: Any
    search: Any


class NewTokens(NamedTuple):
    """What a step has found.

    Attributes:
      tokens: with frames counted from the beginning of each stream.
      again: how many of the first ones replace the last ones before, which have gone on since.
      num_frames: of the encoder, that each row has come on.
    """

    tokens: Tokens
    again: Int[Any, " B"]
    num_frames: Int[Any, " B"]


class Streaming(NamedTuple):
    """Pure functions over one frozen module, as `Task` has for whole recordings.

    Attributes:
      prepare: variables -> variables with what all steps share, computed once.
      start: (prepared variables, batch size) -> the state before the first sample.
      step: (prepared variables, state, samples [B S], num_samples [B]) -> (NewTokens, state). Each row takes its next S
        samples, the first S of all being `lead_in` zeros and S - `lead_in` samples. Fewer are the last ones of their
        row; rows with none stay as they are.
      step_samples: S.
      lead_in: zeros before the first sample.
      sample_rate: in Hz.
      frame_seconds: seconds of audio for one encoder frame.
      look_ahead: R, frames of the encoder.
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
        """From the moment at which a sample comes to that at which all that a step needs with it has come, at most."""
        return self.step_samples / self.sample_rate


def streaming(task: RecognitionTask, *, look_ahead: int | None = None, chunks: int = 1) -> Streaming:
    """The streaming form of a recogniser, with its greedy search.

    Args:
      task: of the model, its encoder's layers not stacked.
      look_ahead: R, one of those that the model is made for, the first of them by default.
      chunks: of R + 1 frames in one step: more of them cost less and come later.

    Raises:
      ConfigError: the model cannot stream, with all that is in the way; or has another look-ahead.
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
    """Why a model cannot stream, each reason as a phrase; nothing where it can."""
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
    """The rows of `new` where `rows` holds, else those of `old`; `new` may be one number for all."""
    return jnp.where(rows.reshape(-1, *[1] * (old.ndim - 1)), new, old)
