"""Shows recordings that a model in training has enhanced: pictures for the logs, and players for the report."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxspeech.evaluation.enhancement import Scored
from jaxspeech.report.enhanced import SHOWN, Example, Sound, chosen, enhanced_section, example, means, stacked
from jaxspeech.report.picture import png
from jaxspeech.types import Variables


class EnhancedView:
    """Enhances examples of an evaluation set again, and shows them before and after, next to their targets.

    Args:
      predict: (variables, batch) -> waveforms [B M S]; jitted.
      sample_rate: in Hz.
      put: moves a batch to the devices.
      reference_channel: of the input, which is shown.
    """

    def __init__(
        self,
        predict: Callable[[Variables, Any], Any],
        *,
        sample_rate: int,
        put: Callable[[Any], Any],
        reference_channel: int = 0,
    ):
        self._predict = predict
        self._sample_rate = sample_rate
        self._put = put
        self._channel = reference_channel

    def pictures(self, variables: Variables, data: Any, indices: list[int]) -> dict[int, bytes]:
        """Spectrograms: before, after and the target, one below the other."""
        return {index: png(stacked(sounds)) for index, sounds in self._sounds(variables, data, indices)}

    def section(self, variables: Variables, data: Any, results: Mapping[int, Scored]) -> str:
        """The means, and recordings to listen to."""
        known = {index: found for index, found in sorted(results.items()) if found.after}
        places = list(known)
        wanted = [places[number] for number in chosen(list(known.values()), SHOWN)]
        sounds = dict(self._sounds(variables, data, wanted))
        examples = [Example(data.name(i), known[i], sounds[i]) for i in wanted if i in sounds]
        return enhanced_section(means(list(known.values())), list(known.values()), examples)

    def _sounds(self, variables: Variables, data: Any, indices: Iterable[int]) -> Iterator[tuple[int, Sequence[Sound]]]:
        wanted = set(indices)
        # With several processes, none holds the rows of the others.
        for batch in data.batches_with(wanted) if jax.process_count() == 1 else ():
            outputs = np.asarray(jax.device_get(self._predict(variables, self._put(batch))), np.float32)
            for row, (index, count) in enumerate(zip(batch.index.tolist(), batch.num_samples.tolist(), strict=True)):
                if index in wanted:
                    noisy = np.asarray(batch.samples[row, self._channel : self._channel + 1, :count])
                    signals = outputs[row, :, :count], np.asarray(batch.targets[row, :, :count]), noisy
                    yield index, example("", Scored({}), signals, self._sample_rate).sounds
