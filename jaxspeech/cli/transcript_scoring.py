"""How transcripts are scored: those of a model, and those that any program has written to a manifest."""

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jaxspeech.cli.error_rates import bleu_score, details, end_scores, error_rates, rates_of_languages, shown_rates
from jaxspeech.cli.fusion import fusion_of
from jaxspeech.cli.recordings import counted
from jaxspeech.cli.scoring import Scoring, Summary, Write
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.bleu import check_bleu
from jaxspeech.evaluation.end_of_utterance import ENDS, EndCounts, counts_of_marks
from jaxspeech.evaluation.transcripts import Transcript, TranscriptScores, finite, transcript_scores
from jaxspeech.evaluation.word_languages import WordLanguages, compare_languages
from jaxspeech.inference.formats import to_jsonl
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.output import open_output
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.runtime.unicode import to_json
from jaxspeech.search.timestamps import TimedText
from jaxspeech.text.error_rate import char_errors, word_errors
from jaxspeech.text.normalizers import Normalizer, find_normalizer
from jaxspeech.text.prompt import PROMPT
from jaxspeech.text.token_languages import line_language, word_languages
from jaxspeech.text.utterance_marks import marks_of
from jaxspeech.text.words import token_words


class Recognised(NamedTuple):
    """A recording that was transcribed, and its transcript."""

    recording: Recording
    transcript: Transcript
    translates: bool
    seconds: float
    words: Sequence[TimedText]
    languages: WordLanguages = WordLanguages()
    ends: EndCounts = EndCounts()


def of_recognizer(model: Recognizer, flags: argparse.Namespace) -> Scoring:
    """The way to score a model that transcribes."""
    prompt = model.assets.get(PROMPT)
    options = {"batch_size": flags.batch_size, "channel": flags.channel, "on_error": "skip"}
    options |= fusion_of(flags) | ({} if flags.target_lang is None else {"target_lang": flags.target_lang})

    def languages(recording: Recording, found: Hypothesis) -> WordLanguages:
        spans = token_words(model.tokenizer, found.tokens) if found.language is not None else []
        own = word_languages(model.tokenizer, found.tokens, spans)
        return compare_languages(
            recording.text or "", recording.fields.get("lang"), [word for word, _, _ in spans], own
        )

    marked = bool(marks_of(model.tokenizer))

    def ends(recording: Recording, found: Hypothesis) -> EndCounts:
        return counts_of_marks(recording.fields, found) if marked and ENDS in recording.fields else EndCounts()

    def results(recordings: Sequence[Recording]) -> Iterator[Hypothesis]:
        return model.transcribe_iter(recordings, long=flags.long, timestamps=flags.confidence or marked, **options)

    def as_json(recording: Recording, found: Hypothesis, scores: Mapping[str, Any]) -> str:
        return to_jsonl(found, {**recording.fields, **scores})

    return _scoring(
        flags,
        results,
        lambda fields: prompt is not None and prompt.translates(fields),
        lambda found: [(word.text, word.confidence) for word in found.words or ()],
        as_json,
        "transcribed",
        languages,
        ends,
    )


def of_predictions(flags: argparse.Namespace) -> Scoring:
    """The way to score the transcripts that manifests hold; see `inference.predictions`."""
    from jaxspeech.inference.predictions import confidences_of, prediction_of

    if flags.target_lang is not None:
        raise ConfigError("--target_lang is for a --model; the transcripts of these manifests are there already")

    def as_json(recording: Recording, found: Hypothesis, scores: Mapping[str, Any]) -> str:
        return to_json({**recording.fields, **scores}) + "\n"

    return _scoring(
        flags,
        lambda recordings: (prediction_of(x, field=flags.pred_field) for x in recordings),
        lambda fields: (
            bool(fields.get("target_lang")) and fields.get("source_lang") not in (None, fields["target_lang"])
        ),
        confidences_of,
        as_json,
        "read",
    )


def _scoring(
    flags: argparse.Namespace,
    results: Callable[[Sequence[Recording]], Iterator[Hypothesis]],
    translates: Callable[[Mapping[str, Any]], bool],
    sure_words: Callable[[Hypothesis], Any],
    as_json: Callable[[Recording, Hypothesis, Mapping[str, Any]], str],
    done: str,
    languages: Callable[[Recording, Hypothesis], WordLanguages] = lambda recording, found: WordLanguages(),
    ends: Callable[[Recording, Hypothesis], EndCounts] = lambda recording, found: EndCounts(),
) -> Scoring:
    normalizer = find_normalizer(flags.normalize)
    if flags.bleu:
        check_bleu()

    def problem(part: Sequence[Recording]) -> str:
        if not any(recording.text for recording in part):
            return 'no line has a "text" to compare with'
        if any(recording.text and translates(recording.fields) for recording in part):
            check_bleu()
        return ""

    def keep(recording: Recording, found: Hypothesis) -> Recognised | None:
        if recording.text is None:
            return None
        transcript = Transcript(recording.text, found.text, sure_words(found))
        of_words = languages(recording, found)
        return Recognised(
            recording,
            transcript,
            translates(recording.fields),
            found.duration,
            found.words or (),
            of_words,
            ends(recording, found),
        )

    def summarize(kept: Sequence[Recognised]) -> Summary | None:
        spoken, translated = ([x for x in kept if x.translates == kind] for kind in (False, True))
        scores = transcript_scores([x.transcript for x in spoken], normalizer, with_bleu=flags.bleu and bool(spoken))
        lines, values = [], {}
        if any(x.transcript.said for x in spoken):
            lines.append(error_rates(scores.said, scores.heard))
            values |= scores.as_json()
            of_languages = rates_of_languages(
                [line_language(x.recording.fields.get("lang")) for x in spoken], scores.said, scores.heard
            )
            values |= {"languages": of_languages} if of_languages else {}
            of_words = sum((x.languages for x in spoken), WordLanguages())
            values |= {"word_languages": of_words._asdict()} if of_words.words else {}
        pairs = [(x.transcript.said, x.transcript.heard) for x in translated]
        if any(said for said, _ in pairs):
            text, found = bleu_score(*map(list, zip(*pairs, strict=True)))
            lines.append(text)
            values |= {"translations": {"references": len(pairs), **found}}
        if not lines:
            return None
        more = details(scores) if spoken else []
        if (of_ends := sum((x.ends for x in spoken), EndCounts())).utterances:
            values |= of_ends.scores()
            more.append(end_scores(of_ends))
        if of_languages := values.get("languages"):
            more = [f"WER by language: {shown_rates(of_languages)}", *more]
        if found := values.get("word_languages"):
            share = found["right"] / found["words"]
            more.append(f"language of the words that are right: {share:.2%} of {counted(found['words'], 'word')}")
        return Summary("\n  ".join([", ".join(lines), *more]), values, lambda: _section(spoken, scores))

    @contextlib.contextmanager
    def writer(path: str, recordings: Sequence[Recording]) -> Iterator[Write]:
        with open_output(path) as put:

            def write(recording: Recording, found: Hypothesis) -> None:
                if found.error is None:
                    scores = {} if translates(recording.fields) else _scores_of_line(recording, found, normalizer)
                    put(as_json(recording, found, scores))

            yield write

    return Scoring(results, problem, keep, summarize, writer, done)


def _scores_of_line(recording: Recording, found: Hypothesis, normalizer: Normalizer) -> dict[str, Any]:
    """The fields that a line of --output gets beside the transcript."""
    if recording.text is None:
        return {}
    said, heard = normalizer.apply(recording.text), normalizer.apply(found.text)
    words, characters = word_errors([said], [heard]), char_errors([said], [heard])
    compared = {"scored_text": said, "scored_pred_text": heard} if normalizer.name != "none" else {}
    edits = {"words": words.length, **words._asdict()}
    del edits["length"]
    return {**compared, "wer": finite(words.rate), "cer": finite(characters.rate), "word_errors": edits}


def _section(kept: Sequence[Recognised], scores: TranscriptScores) -> str:
    from jaxspeech.cli.heard import read_audio
    from jaxspeech.report.errors import WORST_SHOWN, errors_section
    from jaxspeech.report.transcript_scores import scores_section
    from jaxspeech.report.utterance import Utterance, worst

    utterances, recordings = [], {}
    for number, (one, said, heard, errors) in enumerate(
        zip(kept, scores.said, scores.heard, scores.words, strict=True)
    ):
        speaker = str(one.recording.fields.get("speaker") or "")
        name = one.recording.source if one.recording.source not in recordings else f"{one.recording.source} ({number})"
        recordings[name] = one.recording, one.words
        language = line_language(one.recording.fields.get("lang"))
        utterances.append(Utterance(name, speaker, one.seconds, said, heard, errors, language))
    chosen = {x.name: recordings[x.name] for x in worst(utterances, WORST_SHOWN)}
    return scores_section(scores) + errors_section(utterances, read_audio(chosen))
