"""How each kind of model is scored on a manifest: by transcripts (in a file of its own), classes, frames, speakers."""

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.cli.fusion import fusion_of
from jaxspeech.cli.recordings import counted
from jaxspeech.data.frame_shares import read_labels, shares_of_frames, truth_of
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.classification import classification_scores
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.evaluation.frames import frame_scores
from jaxspeech.evaluation.verification import verification_scores
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.output import open_output
from jaxspeech.pipelines.chat import Chat
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.pipelines.embedder import Embedder
from jaxspeech.pipelines.enhancer import Enhancer
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.pipelines.synthesizer import Synthesizer
from jaxspeech.runtime.unicode import to_json
from jaxspeech.text.classes import Classes, class_name

# (recording, its result) -> None; writes a line.
Write = Callable[[Recording, Any], None]
# A message lists no more names than this.
MOST_LISTED = 10


class Summary(NamedTuple):
    """The scores of a manifest.

    Attributes:
      text: of one or more lines.
      values: by name, for JSON.
      section: makes the HTML of a report; None if there is none for this kind of model.
    """

    text: str
    values: Mapping[str, Any]
    section: Callable[[], str] | None = None


class Scoring(NamedTuple):
    """The way to score a model, or what one has found.

    Attributes:
      results: recordings -> their results, in order.
      problem: the recordings of a manifest -> why they cannot be scored; "" if they can.
      keep: (recording, result without an error) -> what `summarize` takes of it; None if there is nothing to compare
        with.
      summarize: what was kept -> the scores of a manifest; None if that is not enough for a score.
      writer: (path, recordings) -> a context that gives the function that writes the lines of --output.
      done: the verb in the past tense.
    """

    results: Callable[[Sequence[Recording]], Iterator[Any]]
    problem: Callable[[Sequence[Recording]], str]
    keep: Callable[[Recording, Any], Any]
    summarize: Callable[[Sequence[Any]], Summary | None]
    writer: Callable[[str, Sequence[Recording]], contextlib.AbstractContextManager[Write]]
    done: str


def scoring_of(model: Any, flags: argparse.Namespace) -> Scoring:
    """Returns the way to score a model of any kind.

    Raises:
      ConfigError: there is none for its kind.
    """
    from jaxspeech.cli.transcript_scoring import of_recognizer

    if isinstance(model, Recognizer):
        if flags.recognizer:
            raise ConfigError("--recognizer is for voices, whose speech it hears; this --model recognises itself")
        return of_recognizer(model, flags)
    if flags.long != "auto":
        raise ConfigError("--long is for models that transcribe")
    if flags.target_lang is not None:
        raise ConfigError("--target_lang is for models that transcribe")
    if given := fusion_of(flags):
        raise ConfigError(f"--{next(iter(given))} is for models that transcribe")
    if isinstance(model, Synthesizer):
        from jaxspeech.cli.spoken_scoring import of_synthesizer

        return of_synthesizer(model, flags)
    if flags.recognizer:
        raise ConfigError("--recognizer is for voices, whose speech it hears")
    if isinstance(model, Chat):
        from jaxspeech.cli.answer_scoring import of_chat

        return of_chat(model, flags)
    if isinstance(model, Enhancer):
        from jaxspeech.cli.enhancer_scoring import of_enhancer

        return of_enhancer(model, flags)
    if flags.report:
        raise ConfigError("--report is for transcripts; a run of training has report.html, verify has --report")
    if isinstance(model, Embedder):
        return _speakers(model, flags)
    if isinstance(model, Classifier):
        return _frames(model, flags) if model.task.inference.frame_seconds is not None else _classes(model, flags)
    raise ConfigError(f"{flags.model}: this version has no scores for a {type(model).__name__}")


def _classes(model: Classifier, flags: argparse.Namespace) -> Scoring:
    field, names = flags.field, model.names or tuple(map(str, range(model.model.num_classes)))
    evaluation = classification_scores(names, field=field)

    def problem(part: Sequence[Recording]) -> str:
        given = set(_names(part, field))
        if not given:
            return f'no line has a class in "{field}"; --field=NAME names another field'
        if not given & set(names):
            return f'"{field}" has {_listed(sorted(given))}, but the classes of the model are {_listed(names)}'
        return ""

    def summarize(found: Sequence[tuple[str, Mapping[str, Any]]]) -> Summary | None:
        unknown = sorted({str(class_name(fields, field)) for _, fields in found} - set(names))
        return _summary(evaluation, found, f"; the model lacks {_listed(unknown)}" if unknown else "")

    def as_json(found: Any) -> dict[str, Any]:
        return {"pred_label": found.top[0][0], "pred_probability": round(found.top[0][1], 6)}

    return Scoring(
        lambda recordings: model.classify_iter(recordings, **_options(flags)),
        problem,
        lambda recording, found: _named(recording, found.top[0][0], field),
        summarize,
        lambda path, recordings: json_lines(path, as_json),
        "classified",
    )


def _frames(model: Classifier, flags: argparse.Namespace) -> Scoring:
    field, several = flags.field, model.model.multi_label
    classes = Classes(model.names or map(str, range(model.model.num_classes)))
    missing = f'no line has labels of frames in "{field}"; --field=NAME names another field'
    evaluation = frame_scores(classes.names, field=field, multi_label=several)

    def keep(recording: Recording, found: Any) -> Any:
        if field not in recording.fields:
            return None
        marks = read_labels(recording.fields[field], classes, field=field, multi_label=several)
        label = truth_of(shares_of_frames(marks, len(found.probabilities)), multi_label=several)
        batch = SimpleNamespace(label=label[None], num_label=np.array([len(label)]))
        [counts] = evaluation.collect((found.probabilities[None], np.array([len(label)])), batch)
        return counts, recording.fields

    return Scoring(
        lambda recordings: model.classify_iter(recordings, **_options(flags)),
        lambda part: "" if any(field in recording.fields for recording in part) else missing,
        keep,
        lambda found: _summary(evaluation, found),
        lambda path, recordings: json_lines(path, lambda found: {"pred_top": found.top}),
        "classified",
    )


def _speakers(model: Embedder, flags: argparse.Namespace) -> Scoring:
    field = flags.field
    evaluation = verification_scores(field=field)
    missing = f'"{field}" does not name two speakers, one of them twice; --field=NAME names another field'
    return Scoring(
        lambda recordings: model.embed_iter(recordings, **_options(flags)),
        lambda part: "" if 1 < len(set(_names(part, field))) < len(_names(part, field)) else missing,
        lambda recording, found: _named(recording, evaluation.collect(found.vector[None], None)[0], field),
        lambda found: _summary(evaluation, found),
        lambda path, recordings: json_lines(path, lambda found: {"pred_embedding": found.vector.tolist()}),
        "embedded",
    )


def _options(flags: argparse.Namespace) -> dict[str, Any]:
    return {"batch_size": flags.batch_size, "channel": flags.channel, "on_error": "skip"}


def _names(part: Sequence[Recording], field: str) -> list[str]:
    return [name for recording in part if (name := class_name(recording.fields, field)) is not None]


def _named(recording: Recording, found: Any, field: str) -> Any:
    return None if class_name(recording.fields, field) is None else (found, recording.fields)


def _summary(evaluation: Evaluation, found: Sequence[tuple[Any, Mapping[str, Any]]], note: str = "") -> Summary | None:
    scores = evaluation.score(
        {i: result for i, (result, _) in enumerate(found)}, {i: fields for i, (_, fields) in enumerate(found)}
    )
    return Summary(f"{evaluation.show(scores)} of {counted(len(found), 'recording')}{note}", scores) if scores else None


@contextlib.contextmanager
def json_lines(path: str, as_json: Callable[[Any], dict[str, Any]]) -> Iterator[Write]:
    """Gives the function that writes the lines of --output: the manifest's fields, and what a result adds to them."""
    with open_output(path) as put:

        def write(recording: Recording, found: Any) -> None:
            if found.error is None:
                put(to_json(dict(recording.fields) | as_json(found)) + "\n")

        yield write


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:MOST_LISTED])) + (", ..." if len(names) > MOST_LISTED else "")
