"""Reads utterances of an evaluation set again, as the model sees them: waveform, features, and times of the tokens."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from jaxspeech.data.loader import EvaluationData
from jaxspeech.report.utterance import Piece, ReplayedAudio
from jaxspeech.tasks.task import Task
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


class Replay:
    """Called as `replay(variables, data, indices)`; uses the evaluation's batches, whose programs are already compiled.

    Args:
      task: what is trained.
      predict: its prediction, jitted.
      tokenizer: spells the tokens.
      put: moves a batch to the devices.
    """

    def __init__(
        self,
        task: Task,
        predict: Callable[[Variables, Any], Any],
        *,
        tokenizer: Tokenizer,
        put: Callable[[Any], Any],
    ):
        def features(variables: Variables, batch: Any) -> Any:
            apply: Any = task.model.apply
            return apply(variables, batch.samples, batch.num_samples, method="features")

        self._features = jax.jit(features)
        self._predict = predict
        self._tokenizer = tokenizer
        self._put = put
        self._sample_rate = task.inference.sample_rate
        self._frame_seconds = task.inference.frame_seconds

    def __call__(self, variables: Variables, data: EvaluationData, indices: Iterable[int]) -> dict[int, ReplayedAudio]:
        """Returns the audio, features and tokens of these utterances; those that cannot be read are left out."""
        wanted, replayed = set(indices), {}
        for batch in data.batches_with(wanted):
            placed = self._put(batch)
            tokens = jax.device_get(self._predict(variables, placed))
            features, num_frames = jax.device_get(self._features(variables, placed))
            for row, index in enumerate(batch.index.tolist()):
                if index in wanted:
                    samples = batch.samples[row, : batch.num_samples[row]]
                    mel = np.asarray(features[row, : num_frames[row]], np.float32)
                    replayed[index] = ReplayedAudio(samples, self._sample_rate, mel, self._pieces(tokens, row))
        return replayed

    def _pieces(self, tokens: Any, row: int) -> tuple[Piece, ...]:
        count = tokens.num_tokens[row]
        columns = (tokens.ids[row, :count], tokens.starts[row, :count], tokens.ends[row, :count])
        return tuple(
            Piece(self._tokenizer.pieces[i], float(start) * self._frame_seconds, float(end) * self._frame_seconds)
            for i, start, end in zip(*columns, strict=True)
        )
