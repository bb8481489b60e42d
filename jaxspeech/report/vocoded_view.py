"""Shows recordings that a vocoder in training makes again from their mels: pictures, and players for the report."""

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxspeech.report.enhanced import SHOWN, SIDE_BY_SIDE, Sound, sounds_shown, stacked
from jaxspeech.report.picture import png
from jaxspeech.types import Variables


class VocodedView:
    """Vocodes examples of an evaluation set again, and shows them next to the recordings.

    Args:
      predict: (variables, batch) -> something with `samples` [B S] and `num_samples` [B]; jitted.
      sample_rate: in Hz.
      put: moves a batch to the devices.
    """

    def __init__(self, predict: Callable[[Variables, Any], Any], *, sample_rate: int, put: Callable[[Any], Any]):
        self._predict = predict
        self._sample_rate = sample_rate
        self._put = put

    def pictures(self, variables: Variables, data: Any, indices: list[int]) -> dict[int, bytes]:
        """Spectrograms: what was made, above the recording."""
        return {index: png(stacked(sounds)) for index, sounds in self._sounds(variables, data, indices)}

    def section(self, variables: Variables, data: Any, results: Mapping[int, float]) -> str:
        """Recordings to listen to, those that are furthest from what they should be first."""
        furthest = sorted(results, key=lambda index: -results[index])[:SHOWN]
        sounds = dict(self._sounds(variables, data, furthest))
        cards = [
            f'<article style="grid-column: 1 / -1"><header><b>{html.escape(data.name(index))}</b>'
            f"<span>mel distance {results[index]:.3f}</span></header>"
            f'<div style="{SIDE_BY_SIDE}">{sounds_shown(sounds[index])}</div></article>'
            for index in furthest
            if index in sounds
        ]
        heading = "<h3>Greatest distance first</h3>" if cards else ""
        return f'<p>{len(results)} recordings.</p>{heading}<div class="cards">{"".join(cards)}</div>'

    def _sounds(self, variables: Variables, data: Any, indices: Iterable[int]) -> Iterator[tuple[int, Sequence[Sound]]]:
        wanted = set(indices)
        # With several processes, none holds the rows of the others.
        for batch in data.batches_with(wanted) if jax.process_count() == 1 else ():
            made = jax.device_get(self._predict(variables, self._put(batch)))
            for row, index in enumerate(batch.index.tolist()):
                count = int(made.num_samples[row])
                if index in wanted and count:
                    signals = {"made": made.samples[row], "recording": batch.samples[row]}
                    sounds = (np.asarray(x[:count], np.float32) for x in signals.values())
                    yield index, [Sound(n, x, self._sample_rate) for n, x in zip(signals, sounds, strict=True)]
