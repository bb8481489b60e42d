"""Diarizes recordings step by step, each step a pure function of fixed shapes (Medennikov et al., 2025).

    chunk = subsample(features of the chunk and its context)
    probabilities = activity([cache | queue | chunk]);  those of the chunk are the result
    cache, queue = what `diarization.speaker_cache` keeps

A step of many rows takes rows of any age: the first chunk of a recording has no context on its left, the last ones have
less on their right, and a row without new frames stays as it is.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.diarization.speaker_cache import SpeakerCache, advance, beside_cache, empty_cache
from jaxspeech.diarization.stream_settings import StreamSettings
from jaxspeech.types import Key, Size

Rows = tuple[Float[Array, "B T D"], Int[Array, " B"]]


class Parts(NamedTuple):
    """The functions of a model that a step calls, bound to its variables.

    Attributes:
      subsample: (features [B T F], num_features [B]) -> (frames before the encoder's layers [B T D], num_frames [B]).
      activity: (such frames, num_frames) -> (probability that each speaker is active [B T S], num_frames).
    """

    subsample: Callable[[Any, Any], Rows]
    activity: Callable[[Any, Any], Rows]


class Steps(NamedTuple):
    """How a model steps.

    Attributes:
      settings: the sizes.
      speakers: S.
      width: D, of the frames before the encoder's layers.
      factor: feature frames per frame.
    """

    settings: StreamSettings
    speakers: int
    width: int
    factor: int


class StepState(NamedTuple):
    """What one step passes to the next: the speakers' cache, and the frames that each row has returned so far."""

    cache: SpeakerCache
    num_frames: Int[Array, " B"]


class Found(NamedTuple):
    """The probabilities that a step has computed, [B K S], and how many frames of each row they are of."""

    probabilities: Float[Array, "B K S"]
    num_frames: Int[Array, " B"]


def first_state(steps: Steps, rows: Size) -> StepState:
    """Returns the state of rows before their first step."""
    sizes = {"width": steps.width, "speakers": steps.speakers, "settings": steps.settings}
    return StepState(empty_cache(rows, **sizes), jnp.zeros(rows, jnp.int32))


def step(
    steps: Steps,
    parts: Parts,
    state: StepState,
    features: Float[Any, "B T F"],
    num_features: Int[Any, " B"],
    *,
    key: Key | None = None,
) -> tuple[Found, StepState]:
    """Takes one step of all rows.

    Args:
      steps: the sizes.
      parts: the model.
      state: after the previous step.
      features: of each row, from those of its frame max(n - left, 0) on, where n is the number of frames that it has
        returned: T = factor x (left + chunk + right).
      num_features: how many of them are real: all of T, or fewer where the recording ends; 0: the row takes no step.
        More than a row needs are ignored.
      key: in training: see `diarization.compression`.
    """
    settings = steps.settings
    left = jnp.minimum(state.num_frames, settings.left)
    num_features = jnp.minimum(num_features, (left + settings.chunk + settings.right) * steps.factor)
    chunk, num_chunk = parts.subsample(features, num_features)
    new = jnp.clip(num_chunk - left, 0, settings.chunk)
    probabilities, _ = parts.activity(*beside_cache(state.cache, chunk, num_chunk))
    ends = {"left": left, "new": new, "settings": settings}
    found, cache = advance(state.cache, chunk, probabilities, **ends, key=key)
    return Found(found, new), StepState(cache, state.num_frames + new)


def activity_in_steps(
    steps: Steps,
    parts: Parts,
    features: Float[Any, "B T F"],
    num_features: Int[Any, " B"],
    *,
    key: Key | None = None,
) -> tuple[Float[Array, "B T_out S"], Int[Array, " B"]]:
    """Computes the activity of whole recordings by a scan over the steps, which has a gradient.

    Args:
      steps, parts: see `step`.
      features, num_features: of the recordings.
      key: in training: see `diarization.compression`.
    """
    settings, factor = steps.settings, steps.factor
    rows, size = features.shape[:2]
    count = max(-(-size // (settings.chunk * factor)), 1)
    features = jnp.pad(features, ((0, 0), (0, settings.seen * factor), (0, 0)))
    num_features = jnp.asarray(num_features)

    def body(state: StepState, i: Array) -> tuple[StepState, Found]:
        start = jnp.maximum(i * settings.chunk - settings.left, 0) * factor
        window = jax.lax.dynamic_slice_in_dim(features, start, settings.seen * factor, axis=1)
        drawn = None if key is None else jax.random.fold_in(key, i)
        found, state = step(steps, parts, state, window, jnp.maximum(num_features - start, 0), key=drawn)
        return state, found

    _, found = jax.lax.scan(body, first_state(steps, rows), jnp.arange(count))
    probabilities = jnp.moveaxis(found.probabilities, 0, 1).reshape(rows, count * settings.chunk, steps.speakers)
    return probabilities[:, : -(-size // factor)], found.num_frames.sum(0)
