"""Encodes a recording too long for full attention in overlapping windows, joined before the search.

Each window's middle frames are kept; the frames around them only provide context. The search then runs over the
joined frames as over those of any recording: its state crosses every border, and no text has to be merged.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.inference.batching import Shape, padded_length
from jaxspeech.inference.programs import pad
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Outputs, Prediction
from jaxspeech.types import Variables

# Of each window: the part that is kept, and the context on either side of it.
KEPT_SECONDS, CONTEXT_SECONDS = 20.0, 5.0


class Part(NamedTuple):
    """A window of a recording, in samples, and the encoder frames of it that are kept."""

    start: int
    end: int
    first_frame: int
    num_frames: int | None


def cut(num_samples: int, *, frame: int, kept: int, context: int) -> Iterator[Part]:
    """Yields windows whose kept frames are contiguous; the last window keeps all its remaining frames.

    Args:
      num_samples: of the recording.
      frame: samples of one encoder frame.
      kept, context: of each window, in frames.
    """
    for first in range(0, max(-(-num_samples // frame), 1), kept):
        before = min(first, context)
        end = min((first + kept + context) * frame, num_samples)
        last = (first + kept) * frame >= num_samples
        yield Part((first - before) * frame, end, before, None if last else kept)


class Buffered:
    """The compiled programs that encode one model's windows."""

    def __init__(self, recognition: Recognition):
        self._recognition = recognition
        self._encode, self._decode = jax.jit(recognition.encode), jax.jit(recognition.decode)
        self._log_probs = None if recognition.log_probs is None else jax.jit(recognition.log_probs)

    def predict(
        self, variables: Variables, samples: Float[np.ndarray, " S"], *asked: Asked, batch_size: int, outputs: Outputs
    ) -> tuple[Prediction, str]:
        """Predicts one recording (a batch of one), `batch_size` windows at a time; also says how, for the note."""
        rate, seconds = self._recognition.sample_rate, self._recognition.frame_seconds
        kept, context = round(KEPT_SECONDS / seconds), round(CONTEXT_SECONDS / seconds)
        frame = round(seconds * rate)
        parts = list(cut(len(samples), frame=frame, kept=kept, context=context))
        frames: list[np.ndarray] = []
        of_frames: list[np.ndarray] = []
        for at in range(0, len(parts), batch_size):
            some = parts[at : at + batch_size]
            audio = {i: samples[part.start : part.end] for i, part in enumerate(some)}
            shape = Shape(tuple(audio), batch_size, (kept + 2 * context) * frame)
            encoded, num_frames = self._encode(variables, *pad(shape, audio))
            said = None
            if outputs.log_probs and self._log_probs is not None:
                of_windows = jax.tree.map(lambda x: np.repeat(x, batch_size, 0), asked)
                said = np.asarray(self._log_probs(variables, encoded, *of_windows))
            encoded, num_frames = jax.device_get((encoded, num_frames))
            for row, (part, n) in enumerate(zip(some, num_frames, strict=False)):
                end = n if part.num_frames is None else part.first_frame + part.num_frames
                frames.append(encoded[row, part.first_frame : end])
                if said is not None:
                    of_frames.append(said[row, part.first_frame : end])
        whole = np.concatenate(frames)
        num_frames = np.array([len(whole)], np.int32)
        tokens = None
        if outputs.tokens:
            # As many frames as a padded recording has, so that few searches are compiled.
            length = -(-padded_length(len(samples), sample_rate=rate) // frame) + 1
            padded = np.zeros((1, max(length, len(whole)), whole.shape[1]), whole.dtype)
            padded[0, : len(whole)] = whole
            tokens = self._decode(variables, padded, num_frames, *asked)
        how = f"in windows of {KEPT_SECONDS + 2 * CONTEXT_SECONDS:.0f} s"
        if not outputs.log_probs:
            return Prediction(tokens), how
        return Prediction(tokens, np.concatenate(of_frames)[None], num_frames), how
