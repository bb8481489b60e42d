"""The columns of lines of text that a model will speak: symbols, speaker and pace; recordings have none of them."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.columns.audio import ROUNDING_SAMPLES
from jaxspeech.data.columns.column import Column, Examples, widest
from jaxspeech.data.mixed_examples import MixedExamples
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError

# Keeps the draw of a speaker apart from what else is drawn for an example.
SPEAKERS = 7919


class SpelledLines:
    """The symbols of all lines of text, in one array.

    Attributes:
      lengths: number of symbols of each line.
    """

    def __init__(self, spell: Callable[[str], Sequence[int]], texts: Sequence[str]):
        """Spell each text once."""
        parts = [np.array(spell(text), np.int32) for text in texts]
        self.lengths: Int[np.ndarray, " L"] = np.array([len(part) for part in parts], np.int64)
        self._ids = np.concatenate([np.zeros(0, np.int32), *parts])
        self._ends = np.cumsum(self.lengths)

    def __getitem__(self, line: int) -> Int[np.ndarray, " N"]:
        return self._ids[self._ends[line] - self.lengths[line] : self._ends[line]]

    def sums(self, of_symbol: Float[np.ndarray, " V"]) -> Float[np.ndarray, " L"]:
        """The sum over each line of a number that each symbol has."""
        totals = np.concatenate([[0.0], np.cumsum(of_symbol[self._ids])])
        return totals[self._ends] - totals[self._ends - self.lengths]


def spoken_lines(
    examples: MixedExamples, spelled: SpelledLines, *, speakers: Sequence[int], num_speakers: int, seed: int
) -> dict[str, Column]:
    """Make the columns `symbols`, `speaker` and `pace`.

    A line is spoken by the speaker that it names or, each time, by a random one; the speed of augmentation is its pace.

    Args:
      examples: recordings and lines.
      spelled: the symbols of the lines.
      speakers: those to choose from; (): all.
      num_speakers: that the generator has; 0: it has one voice.
      seed: of the choice.

    Raises:
      ConfigError: there is no such speaker.
    """
    known = max(num_speakers, 1)
    if wrong := [speaker for speaker in speakers if not 0 <= speaker < known]:
        raise ConfigError(f"text.speakers: the generator has {known} speakers, counted from 0, and none {wrong[0]}")
    chosen = np.array(speakers or range(known), np.int32)
    named = _named(examples)
    if (named >= known).any():
        place = examples.texts_to_speak.name(int(np.argmax(named >= known)))
        raise ConfigError(f"{place}: the generator has {known} speakers, counted from 0, and none {named.max()}")
    of_example = np.array([examples.line(index) for index in range(len(examples))], np.int64)
    lengths = np.where(of_example >= 0, spelled.lengths[of_example], 0)

    def symbols(example: int, variant: Variant) -> Int[np.ndarray, " N"]:
        return spelled[int(of_example[example])] if of_example[example] >= 0 else np.zeros(0, np.int32)

    def speaker(example: int, variant: Variant) -> int:
        line = of_example[example]
        if line < 0 or named[line] >= 0:
            return max(int(named[line]), 0) if line >= 0 else 0
        return int(variant.generator(seed + SPEAKERS).choice(chosen))

    def widths(
        used: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return widest(lengths[used], shortest, bucket_seconds)

    usable = np.ones(len(examples), bool)
    return {
        "symbols": Column(np.int32, (), widths, usable, symbols),
        "speaker": Column(np.int32, (), None, usable, speaker),
        "pace": Column(np.float32, (), None, usable, lambda example, variant: variant.speed),
    }


def _named(examples: MixedExamples) -> Int[np.ndarray, " L"]:
    """The speaker that each line of text names; -1: none."""
    return np.array([-1 if (who := f.get("speaker")) is None else who for f in examples.texts_to_speak], np.int64)


def sounds_of(recorded: Column | None, examples: MixedExamples, *, sample_rate: int) -> Column:
    """Make the column `samples`: of recordings, and none of lines of text, which have room for what is spoken.

    Args:
      recorded: the column of the recordings; None if there are none.
      examples: recordings and lines.
      sample_rate: in Hz.
    """
    numbers, first = examples.kept, examples.first_line

    def row(example: int, variant: Variant) -> Float[np.ndarray, " S"]:
        if recorded is None or numbers[example] >= first:
            return np.zeros(0, np.float32)
        return recorded.row(int(numbers[example]), variant)

    def widths(
        used: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return tuple((np.ceil(bucket_seconds * sample_rate).astype(int) + ROUNDING_SAMPLES).tolist())

    lengths = np.round(examples.durations * sample_rate).astype(np.int64)
    return Column(np.float32, (), widths, np.ones(len(examples), bool), row, lengths)
