"""Predicts several recordings, or the parts of one, in batches of similar length, and waits for the results."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxspeech.inference.batching import Shape, plan_batches
from jaxspeech.inference.programs import Starting
from jaxspeech.tasks.prediction import Outputs, Prediction


def predict_parts(
    programs: Starting,
    audio: Mapping[int, np.ndarray],
    arguments: Callable[[Shape], tuple[Any, ...]],
    *,
    batch_size: int,
    sample_rate: int,
    alike: bool = False,
) -> dict[int, Prediction]:
    """Predicts the tokens of each part.

    Args:
      programs: the compiled `tasks.prediction.predict`.
      audio: samples of each part, by its number.
      arguments: makes what the function takes besides the audio of a batch: the variables, and what follows the audio.
      batch_size: the most parts of a batch.
      sample_rate: in Hz.
      alike: pad all parts to one length, so that they share batches.

    Returns:
      The row of each part, as host arrays, by its number.

    Raises:
      AudioError: a batch does not fit in memory.
    """
    found: dict[int, Prediction] = {}
    lengths = {i: len(samples) for i, samples in audio.items()}
    if alike and lengths:
        lengths = dict.fromkeys(lengths, max(lengths.values()))
    for shape in plan_batches(lengths, batch_size=batch_size, sample_rate=sample_rate):
        variables, *beside = arguments(shape)
        prediction, _ = programs.start(variables, shape, audio, *beside, **Outputs()._asdict())
        prediction = jax.device_get(prediction)
        for row, i in enumerate(shape.indices):
            found[i] = jax.tree.map(lambda leaf, row=row: leaf[row], prediction)
    return found
