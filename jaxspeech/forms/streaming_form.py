"""The streaming form of a recogniser: pure functions that recognise speech step by step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jaxspeech.search.tokens import Tokens
from jaxspeech.types import Variables


class StreamState(NamedTuple):
    """The state that one step passes to the next, B leading in every leaf.

    Attributes:
      history: past activations that the model's layers need, or past samples.
      search: `CTCState`, `GreedyState` or `Following`.
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
      step: (prepared variables, state, samples [B S], num_samples [B], ends [B], *beside) -> (NewTokens, state). Each
        row takes its next S samples; its first step takes `lead_in` zeros and S - `lead_in` samples. The step that ends
        a row may take fewer or, if the row owes the frames of `right_samples`, none; other rows without samples are
        unchanged.
      step_samples: S.
      right_samples: how many of the latest samples are only look-ahead, whose own frames are left for later steps.
      lead_in: zeros before the first sample.
      sample_rate: in Hz.
      frame_seconds: seconds of audio per encoder frame.
      look_ahead: R, in encoder frames.
      prompt_tokens: room for a stream's prompt in the state of the search; 0 for a model without prompts.
      held_frames: tokens of the last so many frames are held back until more is heard.
      beside: batch size -> further arguments of a step, zeros here: the masks of a model with speaker kernels, whose
        frames are those of the step.
    """

    prepare: Callable[[Variables], Variables]
    start: Callable[[Variables, int], StreamState]
    step: Callable[..., tuple[NewTokens, StreamState]]
    step_samples: int
    lead_in: int
    right_samples: int
    sample_rate: int
    frame_seconds: float
    look_ahead: int
    prompt_tokens: int = 0
    held_frames: int = 0
    beside: Callable[[int], tuple[Any, ...]] = lambda batch_size: ()

    @property
    def latency_seconds(self) -> float:
        """The longest time from a sample's arrival until its step has all the samples that it needs."""
        return (self.step_samples + self.right_samples) / self.sample_rate + self.held_frames * self.frame_seconds


def rows_where(rows: Bool[Array, " B"], new: Array, old: Array) -> Array:
    """Takes rows of `new` where `rows` is true, else of `old`; `new` may be a scalar."""
    return jnp.where(rows.reshape(-1, *[1] * (old.ndim - 1)), new, old)
