"""What a recogniser hears in recordings before and after they were enhanced, and how much of it is wrong."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jaxspeech
from jaxspeech.cli.enhanced_files import Compared
from jaxspeech.cli.recordings import counted, process, report
from jaxspeech.evaluation.transcripts import finite
from jaxspeech.inference.inputs import Recording
from jaxspeech.text.error_rate import ErrorCounts, word_errors
from jaxspeech.text.normalizers import find_normalizer


class WordScores(NamedTuple):
    """Transcripts of recordings, None where there is none, and the errors of those with all of them.

    Attributes:
      said: what is said, or what is recognised in the clean recordings.
      after, before: what is recognised in the enhanced and in the noisy ones.
      errors, errors_before: of the words; None where there are no noisy recordings.
      unscored: number of recordings without one of the transcripts.
      note: what `said` is.
    """

    said: Sequence[str | None]
    after: Sequence[str | None]
    before: Sequence[str | None]
    errors: ErrorCounts
    errors_before: ErrorCounts | None
    unscored: int
    note: str

    def cells(self) -> list[str]:
        """Of a table: before, after, by how much it is better, and how many could not be scored."""
        rates = [None if x is None or not x.length else 100 * x.rate for x in (self.errors_before, self.errors)]
        before, after = rates
        gain = "–" if before is None or after is None else f"{after - before:+.2f}"
        return [*("–" if rate is None else f"{rate:.2f}" for rate in rates), gain, str(self.unscored)]

    def values(self) -> dict[str, Any]:
        """For JSON."""
        before = self.errors_before
        values = {"wer": finite(self.errors.rate), "noisy_wer": None if before is None else finite(before.rate)}
        return {**values, "words": self.errors.length, "unscored": self.unscored, "against": self.note}

    def fields(self, number: int) -> dict[str, str]:
        """The transcripts of a recording, by the names that lines of manifests have."""
        texts = (("text", self.said), ("pred_text", self.after), ("noisy_pred_text", self.before))
        return {name: text for name, known in texts if (text := known[number]) is not None}


def recognised(pairs: Sequence[Compared], flags: argparse.Namespace) -> WordScores:
    """Recognises what is said in the recordings."""
    normalizer = find_normalizer(flags.normalize)
    model = jaxspeech.load(flags.recognizer, jaxspeech.Recognizer, dtype=flags.dtype)

    def heard(of: Callable[[Compared], Recording | None]) -> list[str | None]:
        texts: list[str | None] = [None] * len(pairs)
        wanted = [(i, recording) for i, pair in enumerate(pairs) if (recording := of(pair)) is not None]
        if not wanted:
            return texts
        places = iter(wanted)

        def take(_: Recording, result: Any) -> None:
            texts[next(places)[0]] = None if result.error is not None else result.text

        options: Any = {"batch_size": flags.batch_size, "channel": flags.channel, "on_error": "skip"}
        recordings = [recording for _, recording in wanted]
        process(recordings, model.transcribe_iter(recordings, **options), take, done="transcribed")
        return texts

    if known := any(pair.text is not None for pair in pairs):
        said = [pair.text for pair in pairs]
        note = "words are compared with the manifest's texts"
    else:
        said = heard(lambda pair: pair.clean)
        note = "there are no texts: words are compared with what is recognised in the clean recordings"
    after, before = heard(lambda pair: pair.enhanced), heard(lambda pair: pair.noisy)
    has_noisy = any(text is not None for text in before)
    rows = list(zip(said, after, before, strict=True))
    complete = [row for row in rows if None not in (row if has_noisy else row[:2])]
    if not known and not any((text or "").strip() for text in said):
        report(f"{counted(len(pairs), 'clean recording')}: nothing is recognised in them")

    def errors(place: int) -> ErrorCounts:
        texts = [[normalizer.apply(str(row[i])) for row in complete] for i in (0, place)]
        return word_errors(*texts)

    return WordScores(said, after, before, errors(1), errors(2) if has_noisy else None, len(rows) - len(complete), note)
