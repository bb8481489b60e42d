"""Aligns given texts with recordings: the best path through the log-probabilities that spells each text."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.errors import AudioError, SpeechError, as_speech_error
from jaxspeech.inference.hypothesis import Hypothesis, frames_of
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rows import Row
from jaxspeech.search.forced_alignment import ForcedAlignment, forced_alignment
from jaxspeech.search.timestamps import merge, pinned, segment_times, token_times, word_times
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.spelling import Spelling, spell
from jaxspeech.text.token_languages import word_languages
from jaxspeech.text.tokenizer import Tokenizer

# Most frames of a padded batch: an hour of audio, or many short recordings.
BATCH_FRAMES = 1 << 16
BLOCK_FRAMES, BLOCK_LABELS = 256, 64
NOTHING = Spelling((), (), (), (), ())


class _Waiting(NamedTuple):
    """A recording with its log-probabilities, not yet aligned; one with a problem has no text and no frames."""

    recording: Recording
    heard: Hypothesis
    log_probs: Float[np.ndarray, "T W"]
    spelling: Spelling
    problem: SpeechError | None = None

    def failed(self, error: Exception) -> "_Waiting":
        """The recording, with this error unless it has one already."""
        return self if self.problem else self._replace(problem=as_speech_error(error, self.recording.source))


class Aligner:
    """Finds when given texts are spoken.

    Args:
      recognition: a model that has log-probabilities.
      tokenizer: the model's tokenizer.
    """

    def __init__(self, recognition: Recognition, tokenizer: Tokenizer):
        self._recognition, self._tokenizer = recognition, tokenizer

    def align(
        self, rows: Iterable[Row[Prediction]], wanted: Wanted, *, language: str | None, pin: bool = False
    ) -> Iterator[Hypothesis]:
        """Yields hypotheses with all their times, in the order of the rows.

        Args:
          rows: predictions with log-probabilities, for recordings that have texts.
          wanted: batch_size, on_error, and return_log_probs (whether hypotheses keep them).
          language: of the texts, for a multilingual tokenizer; a manifest's "lang" takes precedence.
          pin: whether punctuation marks take no time, see `search.timestamps.pinned`.
        """
        batch: list[_Waiting] = []
        for row in rows:
            item = self._spell(row, language)
            if batch and (len(batch) == wanted.batch_size or _padded_frames([*batch, item]) > BATCH_FRAMES):
                yield from self._finish(batch, wanted, pin)
                batch = []
            batch.append(item)
        yield from self._finish(batch, wanted, pin)

    def _spell(self, row: Row[Prediction], language: str | None) -> _Waiting:
        recording, no_frames = row.recording, np.zeros((0, self._recognition.vocab_size + 1), np.float32)
        if row.error is not None:
            heard = Hypothesis(source=recording.source, error=str(row.error))
            return _Waiting(recording, heard, no_frames, NOTHING)
        log_probs = None if row.prediction is None else frames_of(row.prediction)
        log_probs = no_frames if log_probs is None else log_probs
        heard = Hypothesis(source=recording.source, duration=len(row.samples) / self._recognition.sample_rate)
        heard = heard._replace(note=row.note, log_probs=log_probs)
        nothing = _Waiting(recording, heard, no_frames, NOTHING)
        try:
            spelling = spell(recording.text or "", self._tokenizer, language=recording.fields.get("lang", language))
        except Exception as error:  # of whatever kind the tokenizer raises
            return nothing._replace(problem=as_speech_error(error, recording.source))
        if not spelling.ids:
            return nothing._replace(problem=AudioError(f"{recording.source}: its text has nothing to pronounce"))
        return nothing._replace(log_probs=log_probs, spelling=spelling)

    def _finish(self, batch: list[_Waiting], wanted: Wanted, pin: bool) -> Iterator[Hypothesis]:
        """Aligns a batch and yields its results; where a batch fails, each recording by itself."""
        try:
            aligned = _align(batch, blank_id=self._recognition.vocab_size)
        except Exception as error:
            if len(batch) > 1:
                for item in batch:
                    yield from self._finish([item], wanted, pin)
                return
            batch, aligned = [batch[0].failed(error)], [None]
        for item, found in zip(batch, aligned, strict=True):
            result = item.heard if item.heard.error is not None else item.problem or self._hypothesis(item, found, pin)
            if isinstance(result, SpeechError):
                if wanted.on_error == "raise":
                    raise result
                result = item.heard._replace(error=str(result), log_probs=None)
            yield result if wanted.return_log_probs else result._replace(log_probs=None)

    def _hypothesis(self, item: _Waiting, found: ForcedAlignment | None, pin: bool) -> Hypothesis | SpeechError:
        """The given text with its times; `found` is one row, None only where there is a problem."""
        assert found is not None
        try:
            return self._timed(item, found, pin)
        except Exception as error:
            return as_speech_error(error, item.recording.source)

    def _timed(self, item: _Waiting, found: ForcedAlignment, pin: bool) -> Hypothesis | SpeechError:
        recording, heard, log_probs, spelling, _ = item
        if found.score == -np.inf:
            return AudioError(
                f"{recording.source}: the text's {len(spelling.ids)} tokens do not fit into {heard.duration:.1f} s of "
                f"audio ({len(log_probs)} frames); is it the right text?"
            )
        starts, ends = pinned(spelling.pieces, found.starts, found.ends) if pin else (found.starts, found.ends)
        # The last frame may extend beyond the audio, and a mark at its end begins there.
        heard_frames = heard.duration / self._recognition.frame_seconds
        times = np.minimum(starts, heard_frames), np.minimum(ends, heard_frames), found.confidence
        seconds: dict[str, Any] = {"frame_seconds": self._recognition.frame_seconds, "offset": recording.offset}
        words = word_times(spelling.words, *times, **seconds)
        languages = word_languages(self._tokenizer, spelling.ids, spelling.words)
        words = [word._replace(language=language) for word, language in zip(words, languages, strict=True)]
        if len(spelling.lines) > 1:
            segments = [merge(words[first:end]) for first, end in spelling.lines]
        else:
            segments = segment_times(words)
        return heard._replace(
            text=(recording.text or "").strip(),
            score=float(found.score),
            tokens=tuple(i for i in spelling.ids if i < self._recognition.vocab_size),
            confidence=float(found.confidence[: len(spelling.ids)].mean()),
            words=tuple(words),
            segments=tuple(segments),
            chars=tuple(token_times(spelling.pieces, *times, **seconds)),
            note=_note(heard.note, spelling.unspelled),
        )


def _note(heard: str | None, unspelled: tuple[str, ...]) -> str | None:
    if not unspelled:
        return heard
    different = list(dict.fromkeys(unspelled))
    some = ", ".join(different[:5]) + (", ..." if len(different) > 5 else "")
    unspelled_note = f"words that the tokenizer cannot spell were placed between their neighbours: {some}"
    return unspelled_note if heard is None else f"{heard}; {unspelled_note}"


def _align(batch: list[_Waiting], *, blank_id: int) -> list[ForcedAlignment]:
    """Aligns each recording; shapes are padded to a few sizes so that few programs are compiled."""
    if not batch:
        return []
    rows = 1 << (len(batch) - 1).bit_length()
    frames = _padded(max(len(item.log_probs) for item in batch), BLOCK_FRAMES)
    log_probs = np.zeros((rows, frames, blank_id + 1), np.float32)
    labels = np.zeros((rows, _padded(max(len(item.spelling.ids) for item in batch), BLOCK_LABELS)), np.int32)
    num_frames, num_labels = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
    for row, item in enumerate(batch):
        num_frames[row], num_labels[row] = len(item.log_probs), len(item.spelling.ids)
        log_probs[row, : num_frames[row]], labels[row, : num_labels[row]] = item.log_probs, item.spelling.ids
    found = jax.device_get(
        forced_alignment(log_probs, num_frames, labels, num_labels, blank_id=blank_id, block_frames=BLOCK_FRAMES)
    )
    return [ForcedAlignment(*(part[row] for part in found)) for row in range(len(batch))]


def _padded(size: int, unit: int) -> int:
    """The smallest of 1, 2, 3, 4, 6, 8, 12, ... times `unit` that is at least `size`."""
    steps = (unit * times * 2**power for power in range(60) for times in (2, 3))
    return unit if size <= unit else next(step for step in steps if step >= size)


def _padded_frames(batch: list[_Waiting]) -> int:
    return len(batch) * max(len(item.log_probs) for item in batch)
