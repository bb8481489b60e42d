"""How a voice is scored on manifests of texts, and of recordings of these where the lines name them.

Each text is spoken and compared with its recording (evaluation/synthesis.py). With --recognizer=MODEL, a recogniser
hears both: its word error rate on the recordings says how much of that on the voice is its own.
"""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

import jaxspeech
from jaxspeech.audio.pitch import has_praat
from jaxspeech.audio.resample import resample
from jaxspeech.cli.recordings import counted, report
from jaxspeech.cli.scoring import Scoring, Summary, Write
from jaxspeech.cli.spoken_mel import HOP, RATE, mel_frames
from jaxspeech.cli.spoken_words import Heard, Listener
from jaxspeech.errors import ManifestError, SpeechError
from jaxspeech.evaluation.perceived import missing_package
from jaxspeech.evaluation.synthesis import MEASURES, Pair, SpokenScore, check_measures, score_pair, synthesis_scores
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.output import open_output
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.inference.spoken import Spoken
from jaxspeech.inference.texts import text_of
from jaxspeech.pipelines.synthesizer import Synthesizer
from jaxspeech.runtime.unicode import to_json
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.normalizers import Normalizer, find_normalizer


class Compared(NamedTuple):
    """A spoken text.

    Attributes:
      recording: the line of the manifest.
      number: of what was heard of it, see `Listener`.
      said: the text as it is spoken.
      score: without what was heard.
    """

    recording: Recording
    number: int
    said: str
    score: SpokenScore


def of_synthesizer(model: Synthesizer, flags: argparse.Namespace) -> Scoring:
    """The way to score it.

    Raises:
      ConfigError: a score is not known or not installed.
      SpeechError: the recogniser cannot be loaded.
    """
    check_measures(flags.measures)
    measures = tuple(flags.measures) or _available()
    recognizer = jaxspeech.load(flags.recognizer, jaxspeech.Recognizer, dtype=flags.dtype) if flags.recognizer else None
    listener = Listener(recognizer, sample_rate=RATE, batch_size=flags.batch_size)
    # Voices and recognisers do not agree on capitals and punctuation.
    normalizer = find_normalizer("basic" if flags.normalize == "none" else flags.normalize)
    options: Any = {"batch_size": flags.batch_size, "on_error": "skip"}
    kept: list[Compared] = []

    def keep(recording: Recording, spoken: Spoken) -> Compared:
        samples, wanted = resample(spoken.samples, spoken.sample_rate, RATE), _recorded(recording, flags.channel)
        pair = Pair(mel_frames(samples, RATE), mel_frames(wanted, RATE), samples, wanted)
        score = score_pair(pair, sample_rate=RATE, hop=HOP, measures=measures)
        if not score.wanted:  # its frames do not count as longer than those of a recording
            score = score._replace(frames=0)
        kept.append(Compared(recording, listener.add(samples, wanted), _said(model, recording), score))
        return kept[-1]

    def summarize(found: Sequence[Compared]) -> Summary | None:
        if not found:
            return None
        heard = [listener.heard()[x.number] for x in found]
        values, text = _scores(found, heard, measures, normalizer)
        return Summary(text, values, lambda: _section(model, found, heard, normalizer, options, flags.channel))

    @contextlib.contextmanager
    def writer(path: str, recordings: Sequence[Recording]) -> Iterator[Write]:
        del recordings
        with open_output(path) as put:
            yield lambda recording, spoken: None
            # What was heard is known at the end.
            for x in kept:
                put(to_json({**x.recording.fields, **_line(x, listener.heard()[x.number])}) + "\n")

    return Scoring(
        lambda recordings: model.speak_texts(recordings, **options),
        lambda part: "" if any(recording.text for recording in part) else 'no line has a "text" to speak',
        keep,
        summarize,
        writer,
        "spoken",
    )


def _scores(
    found: Sequence[Compared], heard: Sequence[Heard], measures: Sequence[str], normalizer: Normalizer
) -> tuple[dict[str, Any], str]:
    """The scores of a manifest by name, and in words."""
    evaluation = synthesis_scores(sample_rate=RATE, hop=HOP, measures=measures)
    said = [normalizer.apply(x.said) for x in found]
    rows = {
        i: x.score._replace(heard=None if texts.spoken is None else normalizer.apply(texts.spoken))
        for i, (x, texts) in enumerate(zip(found, heard, strict=True))
    }
    scores = evaluation.score(rows, {i: {"text": text} for i, text in enumerate(said)})
    text = f"{evaluation.show(scores)} of {counted(len(found), 'text')}"
    recorded = [(a, normalizer.apply(b.recorded)) for a, b in zip(said, heard, strict=True) if b.recorded is not None]
    counts = word_errors([a for a, _ in recorded], [b for _, b in recorded])
    if counts.length:
        scores["recorded_wer"] = counts.rate
        text += f"; the recordings' WER {counts.rate:.2%}"
    if missing := sum(not x.score.wanted for x in found):
        report(f"{counted(missing, 'text')} without a recording, compared with nothing")
    return {**scores, "texts": len(found)}, text


def _available() -> tuple[str, ...]:
    """The scores whose packages are installed."""
    return tuple(name for name in MEASURES if not missing_package(name) and (name != "pitch" or has_praat()))


def _said(model: Synthesizer, recording: Recording) -> str:
    text, normalized = text_of(recording)
    return text if normalized else model.front_end.normalize(text)


def _recorded(recording: Recording, channel: Any) -> Float[np.ndarray, " S"]:
    """The samples of a line's recording; none if it names none.

    Raises:
      SpeechError: it cannot be read.
    """
    if recording.audio is None:
        return np.zeros(0, np.float32)
    samples = read_recording(recording, sample_rate=RATE, channel="mean" if channel == "each" else channel)
    if isinstance(samples, SpeechError):
        raise samples
    if not len(samples):
        raise ManifestError(f"{recording.source}: has no samples")
    return samples


def _line(x: Compared, heard: Heard) -> dict[str, Any]:
    """The fields of --output."""
    line: dict[str, Any] = {"spoken_text": x.said}
    line |= {} if heard.spoken is None else {"pred_text": heard.spoken}
    line |= {} if heard.recorded is None else {"recorded_pred_text": heard.recorded}
    return {**line, "scores": dict(x.score.values)}


def _section(
    model: Synthesizer,
    found: Sequence[Compared],
    heard: Sequence[Heard],
    normalizer: Normalizer,
    options: Any,
    channel: Any,
) -> str:
    """HTML with the worst texts, which are spoken again."""
    from jaxspeech.report.synthesis import SHOWN, Example, synthesis_section, worst

    said = [normalizer.apply(x.said) for x in found]
    texts = ["" if x.spoken is None else normalizer.apply(x.spoken) for x in heard]
    errors = [
        None if x.spoken is None else word_errors([a], [b]).errors for x, a, b in zip(heard, said, texts, strict=True)
    ]
    chosen = worst([x.score for x in found], errors, SHOWN)
    again = model.speak_texts([found[i].recording for i in chosen], **options)
    examples = []
    for i, spoken in zip(chosen, again, strict=True):
        if spoken.error is None:
            wanted = _recorded(found[i].recording, channel)
            sounds = (spoken.samples, spoken.sample_rate), (wanted, RATE)
            transcript = None if errors[i] is None else texts[i]
            examples.append(Example(found[i].recording.source, said[i], transcript, found[i].score, sounds))
    return synthesis_section([x.score for x in found], examples)
