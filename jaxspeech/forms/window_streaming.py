"""Recognises speech step by step with an encoder that sees a window of the audio in each step.

the last L + C + R frames' samples -> the model's frames of the whole window -> its C new frames -> greedy search

This is for unified models (Andrusenko et al., "Reducing the Offline-Streaming Gap for Unified ASR Transducer with
Consistency Regularization", 2026), whose layers all look ahead: nothing of a window can be kept for the next one. A
step computes L + C + R frames for C new ones, and normalises the features over the window, as NeMo does. The search
goes through the frames of all windows as through those of one recording.

The first windows are shorter on the left. The last one ends with the recording, and yields all frames that are left.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from jaxspeech.encoders.chunk_context import ChunkContext, chunk_context
from jaxspeech.errors import ConfigError
from jaxspeech.forms.kept_positions import KeptPositions
from jaxspeech.forms.sliding_window import slide
from jaxspeech.forms.streaming_form import NewTokens, Streaming, StreamState, rows_where
from jaxspeech.tasks.recognition import RecognitionTask
from jaxspeech.types import Variables


def window_streaming(task: RecognitionTask, *, look_ahead: int | None = None, chunk: int | None = None) -> Streaming:
    """Makes the streaming form of a unified recogniser, with greedy search; see `forms.streaming.streaming`.

    Args:
      task: the model's task.
      look_ahead, chunk: R and C, of those that the model lists; see `choose_context`.

    Raises:
      ConfigError: the model does not list them.
    """
    search = task.inference.incremental
    assert search is not None  # `forms.streaming` has checked it
    context = choose_context(task.model.encoder, look_ahead=look_ahead, chunk=chunk)
    model: Any = task.model
    model = model.clone(encoder=model.encoder.clone(attention_context=tuple(context)))
    frame = round(model.frame_seconds * model.frontend.sample_rate)
    new, size = context.chunk * frame, sum(context) * frame
    # The first window ends after C + R frames, which are a whole number of steps with these zeros.
    lead_in = -context.right % context.chunk * frame

    def prepare(variables: Variables) -> Variables:
        return KeptPositions(model, seconds=sum(context) * model.frame_seconds).beside(variables)

    def start(variables: Variables, batch_size: int) -> StreamState:
        zeros = jnp.zeros(batch_size, jnp.int32)
        history = {"samples": jnp.zeros((batch_size, size)), "num_samples": zeros, "num_frames": zeros}
        return StreamState(history, search.start(variables, batch_size))

    def step(
        variables: Variables,
        state: StreamState,
        samples: Float[Any, "B S"],
        num_samples: Int[Any, " B"],
        ends: Bool[Any, " B"],
    ) -> tuple[NewTokens, StreamState]:
        past, done = state.history, state.history["num_frames"]
        num_samples, ends = jnp.asarray(num_samples), jnp.asarray(ends)
        taken = past["num_samples"] + num_samples
        heard = jnp.maximum(taken - lead_in, 0)
        window, length, latest = slide(past["samples"], jnp.asarray(samples), num_samples, heard)
        encoded, num_encoded = model.apply(variables, window, length, method="encode")

        skipped = (done * frame - (heard - length)) // frame
        complete = jnp.where(heard >= (done + context.chunk + context.right) * frame, context.chunk, 0)
        continues = (num_samples > 0) | ends
        num_frames = jnp.where(continues, jnp.where(ends, num_encoded - skipped, complete), 0)
        place = jnp.arange(context.chunk + context.right)
        num_frames = jnp.clip(num_frames, 0, len(place))
        kept = jnp.minimum(skipped[:, None] + place, encoded.shape[1] - 1)
        encoded = jnp.take_along_axis(encoded, kept[:, :, None], axis=1)
        encoded = jnp.where((place < num_frames[:, None])[:, :, None], encoded, jnp.zeros((), encoded.dtype))
        tokens, again, found = search.step(variables, encoded, num_frames, state.search)
        new_past = {"samples": latest, "num_samples": taken, "num_frames": done + num_frames}
        history = jax.tree.map(partial(rows_where, continues), new_past, past)
        return NewTokens(tokens, again, num_frames), StreamState(history, found)

    return Streaming(
        prepare=prepare,
        start=start,
        step=step,
        step_samples=new,
        lead_in=lead_in,
        right_samples=context.right * frame,
        sample_rate=model.frontend.sample_rate,
        frame_seconds=model.frame_seconds,
        look_ahead=context.right,
        prompt_tokens=int(task.inference.prompted),
    )


def choose_context(encoder: Any, *, look_ahead: int | None, chunk: int | None) -> ChunkContext:
    """Chooses among the contexts that a unified encoder lists.

    Without a choice, it is the encoder's own context or, if that is the whole recording, the largest of those listed.
    A look-ahead alone gets the largest listed chunk that is not longer, or the smallest; a chunk alone the largest
    look-ahead. The left context is the largest.

    Raises:
      ConfigError: the encoder does not list the look-ahead or the chunk.
    """
    own = chunk_context(encoder.attention_style, encoder.contexts[0])
    if own is not None and look_ahead in (None, own.right) and chunk in (None, own.chunk):
        return own
    listed = encoder.attention_chunk_context or tuple((size,) for size in own or ())
    left, chunks, rights = (sorted(sizes) for sizes in listed)
    for name, size, sizes in (("look_ahead", look_ahead, rights), ("chunk", chunk, chunks)):
        if size is not None and size not in sizes:
            raise ConfigError(f"{name} {size}: this model has {', '.join(map(str, sizes))}")
    right = rights[-1] if look_ahead is None else look_ahead
    if chunk is None:
        chunk = chunks[-1] if look_ahead is None else max((size for size in chunks if size <= right), default=chunks[0])
    return ChunkContext(left[-1], chunk, right)


def what_prevents_windows(task: RecognitionTask) -> list[str]:
    """Lists the reasons why a unified model cannot stream, each as a phrase; empty if it can."""
    encoder: Any = task.model.encoder
    own = chunk_context(encoder.attention_style, encoder.contexts[0])
    found = {
        "it lists no contexts (attention_chunk_context)": encoder.attention_chunk_context is None and own is None,
        "it searches with a beam (beam_size)": task.inference.incremental is None,
    }
    return [reason for reason, holds in found.items() if holds]
