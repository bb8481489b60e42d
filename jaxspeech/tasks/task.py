"""The contract between a task and everything that trains, saves or runs it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn

from jaxspeech.search.tokens import Tokens
from jaxspeech.types import Batch, Variables


class Task(NamedTuple):
    """Pure functions over one frozen module. The train loop, the archive and the recognizer know only this.

    Attributes:
      model: the Flax module; its public methods are `features`, `encode`, `encode_features`, ...
      init: key -> variables.
      loss: (variables, batch, key) -> (losses [B] float32, updates). `updates` holds the new value of every
        collection but "params" (running statistics), and an infeasible row's loss is inf with zero gradient.
      encode: (variables, batch) -> (encoder frames [B T D], num_frames [B]); labels are not looked at.
      decode: (variables, encoder frames, num_frames) -> Tokens, by the search that the configuration names.
      predict: (variables, batch) -> Tokens: `encode`, then `decode`.
      log_probs: (variables, batch) -> ([B T V+1] float32, num_frames [B]), or None where a task has none.
      frame_log_probs: (variables, encoder frames) -> the same [B T V+1], or None.
      sample_rate: of the waveforms that the model takes, in Hz.
      frame_seconds: seconds of audio for one encoder frame.
      vocab_size: tokens, without the blank.
    """

    model: nn.Module
    init: Callable[[Any], Variables]
    loss: Callable[[Variables, Batch, Any], tuple[Any, Variables]]
    encode: Callable[[Variables, Batch], tuple[Any, Any]]
    decode: Callable[[Variables, Any, Any], Tokens]
    predict: Callable[[Variables, Batch], Tokens]
    log_probs: Callable[[Variables, Batch], tuple[Any, Any]] | None
    frame_log_probs: Callable[[Variables, Any], Any] | None
    sample_rate: int
    frame_seconds: float
    vocab_size: int
