"""Codes audio as it comes, and decodes ids as they come, with a causal codec: the numbers of the whole recording.

The state is that of the model's convolutions (see `jaxspeech.history`). Each number of frames that are fed at a time is
a program of its own: feed equal parts.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.history import HISTORY
from jaxspeech.types import Variables


class _Parts:
    """Calls a method of the model part by part."""

    def __init__(self, model: Any, variables: Variables, method: str):
        self._variables = variables
        apply = partial(model.apply, mutable=[HISTORY], method=method)
        self._first = jax.jit(lambda variables, *part: apply(variables, *part))
        self._next = jax.jit(lambda variables, state, *part: apply({**variables, **state}, *part))
        self._state: Any = None

    def __call__(self, values: np.ndarray, length: int) -> np.ndarray:
        part = jnp.asarray(values[None]), jnp.array([length], jnp.int32)
        if self._state is None:
            (found, _), self._state = self._first(self._variables, *part)
        else:
            (found, _), self._state = self._next(self._variables, self._state, *part)
        return np.asarray(found[0])


class DecodeStream:
    """Turns ids into samples; made by `Codec.decode_stream`.

    Args:
      model: a `CodecModel` whose decoder is causal.
      variables: its variables.
    """

    def __init__(self, model: Any, variables: Variables):
        self._parts = _Parts(model, variables, "decode")

    def feed(self, ids: Int[np.ndarray, "C T"]) -> Float[np.ndarray, " S"]:
        """The samples of the next frames: all of them, nothing is late."""
        ids = np.asarray(ids, np.int32)
        if not ids.shape[1]:
            return np.zeros(0, np.float32)
        return self._parts(ids, ids.shape[1])


class EncodeStream:
    """Turns samples into ids; made by `Codec.encode_stream`.

    Args:
      model: a `CodecModel` whose encoder is causal.
      variables: its variables.
    """

    def __init__(self, model: Any, variables: Variables):
        self._parts, self._frame = _Parts(model, variables, "encode"), model.frame_samples
        self._codebooks = model.quantizer.num_codebooks
        self._waiting = np.zeros(0, np.float32)
        self._done = False

    def feed(self, samples: Float[np.ndarray, " S"]) -> Int[np.ndarray, "C T"]:
        """The ids of the frames that are complete.

        Raises:
          ConfigError: the stream is finished.
        """
        if self._done:
            raise ConfigError("this stream is finished: open another one")
        self._waiting = np.concatenate([self._waiting, np.asarray(samples, np.float32)])
        whole = len(self._waiting) // self._frame * self._frame
        part, self._waiting = self._waiting[:whole], self._waiting[whole:]
        return self._parts(part, whole) if whole else np.zeros((self._codebooks, 0), np.int32)

    def finish(self) -> Int[np.ndarray, "C T"]:
        """The ids of the rest, with zeros up to a whole frame."""
        ids = self.feed(np.zeros(-len(self._waiting) % self._frame, np.float32))
        self._done = True
        return ids
