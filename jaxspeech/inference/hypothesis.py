"""Hypothesis, the result of transcribing one recording, and how it is made from the row that a model predicted."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import SpeechError
from jaxspeech.inference.end_pointing import LiveUtterance
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rescoring import Alternative, alternatives_of
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.search.timestamps import TimedText
from jaxspeech.tasks.kinds import Recognition, TalkerRecognition
from jaxspeech.tasks.prediction import TIMINGS, Prediction
from jaxspeech.text.prompt_slots import plain
from jaxspeech.text.token_languages import text_language
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.utterance_marks import spoken_text


class Hypothesis(NamedTuple):
    """A transcript, and the optional outputs that were asked for; the defaults say that nothing was recognised.

    Attributes:
      text: "" where nothing was recognised, also for recordings shorter than one encoder frame.
      score: log-probability of the chosen path.
      tokens: ids of the text, for `tokenizer.decode`.
      confidence: mean over the tokens, 0 to 1; 0 without tokens.
      duration: of the transcribed audio, in seconds.
      source: the file's path, or "array 0", "array 1", ...
      words, segments, chars: with `timestamps=True`, otherwise None: when each word, sentence and token was said, in
        seconds from the beginning of the file, also where only a part of it was transcribed. A pause of a second ends
        a sentence, like a full stop.
      log_probs: with `return_log_probs=True`, one row of V + 1 (the blank is last) for each encoder frame, in float32.
      alternatives: with `alternatives=N` or `rescore`, the best texts of the search, the best first; None where the
        recording was recognised in parts.
      turns: with `speakers`, who spoke when: (start, end, speaker) of each turn, in seconds from the beginning of the
        file; words and segments then have their `speaker`, and a segment is one speaker's.
      timing: with `timestamps=True`, what these times are from: "frames" in which a CTC model or a transducer emitted
        its tokens; of a model with an attention decoder the first of these that it has: an "aligner", a model of its
        own, or a "ctc" head, which align the text, unless that is a translation; "tokens", times that the decoder
        wrote, with which there are no chars; its "attention".
      note: one line that says how a recording too long for one pass of full attention was transcribed, or that its text
        was decoded again.
      error: with `on_error="skip"`, one line that says why the recording could not be transcribed.
      channel: with `channel="each"`, the channel that was transcribed, counted from 0.
      language: with `source_lang="auto"`, the language that was found, such as "de"; where segments of a long recording
        have different ones, that of the most speech. With a tokenizer of several languages (`text.aggregate`), that of
        most tokens; words and segments then have their `language`.
      utterances: of a live stream with end-pointing (`inference.end_pointing`), those that are over.
    """

    text: str = ""
    score: float = 0.0
    tokens: tuple[int, ...] = ()
    confidence: float = 0.0
    duration: float = 0.0
    source: str = ""
    words: tuple[TimedText, ...] | None = None
    segments: tuple[TimedText, ...] | None = None
    chars: tuple[TimedText, ...] | None = None
    log_probs: np.ndarray | None = None
    note: str | None = None
    error: str | None = None
    channel: int | None = None
    language: str | None = None
    timing: str | None = None
    turns: tuple[Turn, ...] | None = None
    alternatives: tuple[Alternative, ...] | None = None
    utterances: tuple[LiveUtterance, ...] | None = None

    def with_tokens(self, tokenizer: Tokenizer, ids: Sequence[int], confidence: Any) -> "Hypothesis":
        """A copy with these tokens and their text; `confidence` has one value per token."""
        sure = float(np.mean(confidence)) if len(ids) else 0.0
        said = self._replace(text=spoken_text(tokenizer, ids), tokens=tuple(ids), confidence=sure)
        language = text_language(tokenizer, ids)
        return said if language is None else said._replace(language=language)

    def with_times(self, timed: TimedTokens, timing: str = "frames") -> "Hypothesis":
        """A copy with words, segments and chars, and what they are from."""
        chars = () if timing == "tokens" else tuple(timed.chars)  # such times are those of words
        return self._replace(words=tuple(timed.words), segments=tuple(timed.segments), chars=chars, timing=timing)


def hypotheses(
    rows: Iterable[Row[Prediction]],
    recognition: Recognition | TalkerRecognition,
    tokenizer: Tokenizer,
    wanted: Wanted,
) -> Iterator[Hypothesis]:
    """Yields the transcript of each recording, or why there is none.

    Args:
      rows: predictions with tokens, and with log-probabilities where they are wanted.
      recognition: the model that predicted them.
      tokenizer: the model's tokenizer.
      wanted: timestamps, return_log_probs and on_error.
    """

    def make(row: Row[Prediction]) -> Hypothesis:
        source, channel = row.recording.source, row.recording.channel
        duration = len(row.samples) / recognition.sample_rate
        hypothesis = Hypothesis(source=source, duration=duration, note=row.note, channel=channel)
        if row.prediction is None or row.prediction.tokens is None:
            spans = () if wanted.timestamps else None
            nothing = np.zeros((0, recognition.vocab_size + 1), np.float32) if wanted.return_log_probs else None
            return hypothesis._replace(words=spans, segments=spans, chars=spans, log_probs=nothing)
        tokens = row.prediction.tokens
        real = slice(int(tokens.num_tokens))
        ids, confidence = tokens.ids[real].tolist(), tokens.confidence[real]
        hypothesis = hypothesis._replace(score=float(tokens.score)).with_tokens(tokenizer, ids, confidence)
        if wanted.timestamps:
            timed = TimedTokens(tokenizer, frame_seconds=recognition.frame_seconds, offset=row.recording.offset)
            timed.update(ids, tokens.starts[real], tokens.ends[real], confidence, duration=duration)
            found = row.prediction.timing
            hypothesis = hypothesis.with_times(timed, "frames" if found is None else TIMINGS[int(found)])
        language = row.prediction.language
        if language is not None and language >= 0:
            hypothesis = hypothesis._replace(language=plain(tokenizer.pieces[int(language)]))
        if row.prediction.alternatives is not None:
            found = alternatives_of(row.prediction.alternatives, tokenizer)
            hypothesis = hypothesis._replace(alternatives=found)
        return hypothesis._replace(log_probs=frames_of(row.prediction))

    def failed(row: Row[Prediction], error: SpeechError) -> Hypothesis:
        return Hypothesis(source=row.recording.source, channel=row.recording.channel, error=str(error))

    return results_of(rows, make, failed, on_error=wanted.on_error)


def frames_of(prediction: Prediction) -> Float[np.ndarray, "T W"] | None:
    """The log-probabilities of one row without its padding; None if they were not asked for."""
    if prediction.log_probs is None or prediction.num_frames is None:
        return None
    return prediction.log_probs[: prediction.num_frames].copy()  # so that the rest of its batch can be freed
