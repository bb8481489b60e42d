"""Estimates how long a text-to-mel model speaks each of many lines, from a few that it times.

seconds(line) = margin * sum over its symbols of the mean frames of that symbol * seconds of a frame

The margin is such that nearly all of the lines that were timed take no longer; the rest are spoken faster, see
`tasks.spoken_frames.fitted`.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.data.columns.spoken_lines import SpelledLines
from jaxspeech.tasks.kinds import Synthesis
from jaxspeech.types import Variables

# Lines that are timed, evenly spaced, in batches of ROWS, by random speakers.
MOST_TIMED, ROWS = 256, 32
# Share of them that take no longer than estimated.
WITHIN = 0.98
MULTIPLE = 16


def spoken_seconds(
    synthesis: Synthesis, variables: Variables, spelled: SpelledLines, *, speakers: Sequence[int], seed: int
) -> Float[np.ndarray, " L"]:
    """Estimates the seconds of each line at pace 1.

    Args:
      synthesis: the generator.
      variables: its own.
      spelled: the symbols of the lines.
      speakers: those that speak.
      seed: of the choice of speakers.
    """
    count, rng = len(spelled.lengths), np.random.default_rng(seed)
    timed = np.flatnonzero(spelled.lengths)[:: max(1, count // MOST_TIMED)][:MOST_TIMED]
    totals, times = np.zeros((2, synthesis.vocab_size))
    frames = np.zeros(len(timed))
    width = -(-int(spelled.lengths[timed].max(initial=1)) // MULTIPLE) * MULTIPLE
    durations = jax.jit(lambda *inputs: synthesis.durations(*inputs).durations)
    for first in range(0, len(timed), ROWS):
        ids, lengths = np.zeros((ROWS, width), np.int32), np.ones(ROWS, np.int32)
        chosen = timed[first : first + ROWS]
        for row, line in enumerate(chosen.tolist()):
            lengths[row] = spelled.lengths[line]
            ids[row, : lengths[row]] = spelled[line]
        speaker = rng.choice(np.array(speakers, np.int32), ROWS)
        ones = np.ones(ROWS, np.float32)
        found = np.asarray(durations(variables, ids, lengths, speaker, ones, np.zeros_like(ones)))
        real = np.arange(width) < lengths[:, None]
        real[len(chosen) :] = False
        np.add.at(totals, ids[real], found[real])
        np.add.at(times, ids[real], 1)
        frames[first : first + ROWS] = np.where(real, found, 0).sum(1)[: len(chosen)]
    usual = totals.sum() / max(times.sum(), 1)
    estimates = spelled.sums(np.where(times > 0, totals / np.maximum(times, 1), usual))
    ratios = frames / np.maximum(estimates[timed], 1)
    margin = max(float(np.quantile(ratios, WITHIN)), 1.0) if len(ratios) else 1.0
    return (margin * estimates + 1) * synthesis.hop / synthesis.sample_rate
