"""Encodes and decodes recordings of any length with a codec, window by window, with the numbers of the whole.

A window has frames on both sides on which those inside depend, as far as the model's convolutions reach; these are
dropped. So nothing is approximate, and memory does not depend on the length.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxspeech.tasks.kinds import Coding
from jaxspeech.types import Variables

# Of a window, without what is on both sides.
WINDOW_SECONDS = 20.0


class CodecWindows:
    """Runs a codec over windows of few shapes.

    Args:
      kind: its functions.
      reach: frames on each side on which an output may depend.
    """

    def __init__(self, kind: Coding, reach: int):
        self._kind, self._reach = kind, reach
        self._window = max(round(WINDOW_SECONDS * kind.sample_rate / kind.frame_samples), 1)
        self._encode, self._decode = jax.jit(kind.encode), jax.jit(kind.decode)

    def encode(self, variables: Variables, samples: Float[np.ndarray, " S"]) -> Int[np.ndarray, "C T"]:
        """The ids of one recording."""
        unit = self._kind.frame_samples

        def run(first: int, last: int, size: int) -> np.ndarray:
            part = samples[first * unit : last * unit]
            padded = np.zeros((1, size * unit), np.float32)
            padded[0, : len(part)] = part
            ids, _ = self._encode(variables, jnp.asarray(padded), jnp.array([len(part)]))
            return np.asarray(ids[0])

        return self._joined(-(-len(samples) // unit), run, 1)

    def decode(self, variables: Variables, ids: Int[np.ndarray, "C T"]) -> Float[np.ndarray, " S"]:
        """The samples of one recording's ids."""

        def run(first: int, last: int, size: int) -> np.ndarray:
            padded = np.zeros((1, ids.shape[0], size), np.int32)
            padded[0, :, : last - first] = ids[:, first:last]
            samples, _ = self._decode(variables, jnp.asarray(padded), jnp.array([last - first]))
            return np.asarray(samples)

        return self._joined(ids.shape[1], run, self._kind.frame_samples)[0]

    def _joined(self, frames: int, run: Callable[[int, int, int], Any], unit: int) -> np.ndarray:
        """The results of the windows side by side, along their last axis, which has `unit` positions for each frame."""
        parts = []
        for start in range(0, max(frames, 1), self._window):
            end = min(start + self._window, frames)
            first, last = max(start - self._reach, 0), min(end + self._reach, frames)
            found = run(first, last, self._size(last - first))
            parts.append(found[..., (start - first) * unit : (end - first) * unit])
        return np.concatenate(parts, -1)

    def _size(self, frames: int) -> int:
        """The padded length: one of two sizes in an octave, or that of whole windows."""
        most, size = self._window + 2 * self._reach, 16
        while size < frames:
            size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
        return min(size, most)
