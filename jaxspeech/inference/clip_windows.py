"""Computes what a classifier of clips says about each moment of a recording, from a window around it.

Exactly as NeMo, each window is a clip of its own, from its samples on, and the windows at the ends of the recording are
filled with half a window of zeros. That is some sixty times the work of one pass, except for the features: a frame that
is not at the end of a window is the same in all windows, and computed once (forms/window_features.py).

In one pass the recording is encoded once, and each window pools over its frames of that: the same but for frames near
the borders of a window, which then see what is beyond it instead of zeros. Of a model that sees far beyond a window
(MarbleNet: 0.7 s to either side), that is all of them.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxspeech.errors import ConfigError
from jaxspeech.forms.receptive_field import receptive_field
from jaxspeech.forms.window_features import shared_frames, window_features
from jaxspeech.inference.batching import Shape
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# Windows that are computed at once.
EXACT_WINDOWS, DENSE_WINDOWS = 64, 2048


class ClipWindows:
    """The windows of one classifier of clips.

    Attributes:
      window_seconds: length of a window.
      shift_seconds: from the start of a window to that of the next: one feature frame, unless they are exact.
    """

    def __init__(self, task: Task, *, window_seconds: float, exact: bool, shift_seconds: float | None = None):
        """Chooses how to compute the windows.

        Args:
          task: of the classifier; one pass needs an encoder without subsampling whose frames depend on what is near.
          window_seconds: length of a window.
          exact: compute each window by itself.
          shift_seconds: from an exact window to the next, a whole number of feature frames; None: one.

        Raises:
          ConfigError: the window is shorter than a frame, or the model cannot be computed in one pass.
        """
        self._task, model = task, task.model
        rate = task.inference.sample_rate
        self._shift = round(model.frame_seconds / model.encoder.total_factor * rate)
        self._size, self.window_seconds = int(window_seconds * rate), float(window_seconds)
        if shift_seconds is not None:
            frames = round(shift_seconds * rate / self._shift)
            if frames < 1:
                raise ConfigError(f"shift is {shift_seconds:g}; windows are {self._shift / rate:g} s apart or more")
            self._shift *= frames
        self.shift_seconds = self._shift / rate
        if self._size < model.frontend.window_seconds * rate:
            raise ConfigError(
                f"window_seconds is {window_seconds:g}; a window needs {model.frontend.window_seconds:g} s or more"
            )
        field = receptive_field(model)
        if not exact and (field is None or model.encoder.total_factor != 1):
            raise ConfigError("this model can only be computed window by window; set exact to True")
        self._context = 0 if exact or field is None else field.both + 1
        self._count = EXACT_WINDOWS if exact else DENSE_WINDOWS
        # Windows that are one frame apart share their frames' spectra.
        self._shared = shared_frames(model.frontend, self._size) if exact and shift_seconds is None else None
        self._compute = jax.jit(self._by_window if exact else self._in_one_pass)

    def start(self, variables: Variables, shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[Any, str]:
        """Predicts one recording; bound to variables, it is a `rows.Strategy` that takes one recording at a time.

        Returns:
          (probabilities [1 N C], [N]), N = samples // shift: window i is around the sample i * shift.
        """
        [samples] = (audio[i] for i in shape.indices)
        total, half = len(samples) // self._shift, self._size // 2
        before = self._context * self._shift
        length = (self._count - 1) * self._shift + self._size + 2 * before
        rest = self._count * self._shift + length
        padded = np.pad(samples, (half + before, half + rest))
        parts = []
        for first in range(0, total, self._count):
            begin = first * self._shift
            parts.append(np.asarray(self._compute(variables, padded[begin : begin + length]))[: total - first])
        whole = np.concatenate(parts) if parts else np.zeros((0, self._task.model.num_classes), np.float32)
        return (whole[None], np.array([len(whole)], np.int32)), ""

    def _by_window(self, variables: Variables, samples: Float[Array, " S"]) -> Float[Array, "N C"]:
        sizes = jnp.full(self._count, self._size)
        if self._shared is not None:
            shared, options = self._shared, {"count": self._count, "hop": self._shift}

            def logits(model: Any) -> Float[Array, "N C"]:
                features = window_features(model.frontend, shared, samples, **options)
                num_frames = jnp.full(self._count, features.shape[1])
                pooled = model.pooled_frames(sizes, num_frames)
                # One frame more than the window has, for a model that pools over it.
                features = jnp.pad(features, ((0, 0), (0, 1), (0, 0)))
                return model.logits_of_features(features, num_frames, pooled)

            apply: Any = self._task.model.apply
            return jax.nn.softmax(apply(variables, method=logits))
        starts = jnp.arange(self._count) * self._shift
        windows = jax.vmap(partial(jax.lax.dynamic_slice_in_dim, samples, slice_size=self._size))(starts)
        return self._task.inference.probs(variables, windows, sizes)

    def _in_one_pass(self, variables: Variables, samples: Float[Array, " S"]) -> Float[Array, "N C"]:
        frames = self._size // self._shift + 1  # of a window alone

        def logits(model: Any) -> Float[Array, "N C"]:
            encoded, _ = model.encode(samples[None], jnp.array([samples.shape[0]]))
            starts = self._context + jnp.arange(self._count)
            windows = jax.vmap(partial(jax.lax.dynamic_slice_in_dim, encoded[0], slice_size=frames))(starts)
            return model.logits_of_frames(windows, jnp.full(self._count, frames))

        apply: Any = self._task.model.apply
        return jax.nn.softmax(apply(variables, method=logits))
