"""Times of transcripts by a second model: a CTC model that aligns the text that the first one found."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jaxspeech.errors import SpeechError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.rows import Row
from jaxspeech.search.timestamps import TimedText

# Recordings with their texts -> the alignment of each, in order; one that fails has an `error`.
Align = Callable[[list[Recording]], Iterable[Hypothesis]]


def retimed(
    rows: Iterable[Row[Any]],
    make: Callable[[Iterable[Row[Any]]], Iterator[Hypothesis]],
    align: Align,
    language: Callable[[Row[Any]], str | None],
    *,
    batch_size: int,
) -> Iterator[Hypothesis]:
    """Yields the hypotheses of rows with the times of their alignment; where that fails, with those that they have.

    Args:
      rows: of the first model.
      make: rows -> their hypotheses.
      align: the second model, which takes samples at the rate of the first one.
      language: of a row's text; None if it is not to be aligned.
      batch_size: how many are aligned together.

    Raises:
      SpeechError: raised by `rows` or `make`, after the hypotheses before it.
    """
    batch: list[tuple[Row[Any], Hypothesis]] = []
    waiting: list[Row[Any]] = []

    def kept() -> Iterator[Row[Any]]:
        for row in rows:
            waiting.append(row)
            yield row

    hypotheses, failed = make(kept()), None
    while True:
        try:
            hypothesis = next(hypotheses, None)
        except SpeechError as error:
            hypothesis, failed = None, error
        if hypothesis is not None:
            batch.append((waiting.pop(0), hypothesis))
        if hypothesis is None or len(batch) == batch_size:
            yield from _aligned(batch, align, language)
            batch = []
        if failed is not None:
            raise failed
        if hypothesis is None:
            return


def _aligned(
    batch: list[tuple[Row[Any], Hypothesis]], align: Align, language: Callable[[Row[Any]], str | None]
) -> list[Hypothesis]:
    found = [hypothesis for _, hypothesis in batch]
    asked: dict[int, Recording] = {}
    for place, (row, hypothesis) in enumerate(batch):
        if hypothesis.error is None and hypothesis.text.strip() and (spoken := language(row)) is not None:
            asked[place] = Recording(
                row.recording.source,
                row.samples,
                offset=row.recording.offset,  # of samples it is only added to the times
                text=hypothesis.text,
                fields={"lang": spoken},
            )
    for place, aligned in zip(asked, align(list(asked.values())) if asked else (), strict=True):
        if aligned.error is None:
            found[place] = _with_times_of(aligned, found[place])
    return found


def _with_times_of(aligned: Hypothesis, hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis with the times of its alignment; how sure its words are is still the first model's opinion."""
    before, words = hypothesis.words or (), aligned.words or ()
    if [word.text for word in before] == [word.text for word in words]:
        words = tuple(map(_sure_as, words, before))
    note = "; ".join(filter(None, (hypothesis.note, aligned.note))) or None
    return hypothesis._replace(words=words, segments=aligned.segments, chars=aligned.chars, timing="aligner", note=note)


def _sure_as(word: TimedText, other: TimedText) -> TimedText:
    return word._replace(confidence=other.confidence)
