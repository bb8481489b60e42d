"""How a language model that hears is scored: what each line of a manifest asks, and how its answer is judged.

A line's "context" is the question, by default that for a transcript; "text" is the true answer, and "score" says how it
is judged (evaluation/answers.py).
"""

import argparse
from collections.abc import Sequence
from typing import Any

from jaxspeech.cli.recordings import counted
from jaxspeech.cli.scoring import Scoring, Summary, json_lines
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.answers import Found, answers, has_answer
from jaxspeech.inference.answer import Answer
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.questions import FIELD
from jaxspeech.pipelines.chat import Chat
from jaxspeech.pipelines.chat_transcripts import TRANSCRIBE


def of_chat(model: Chat, flags: argparse.Namespace) -> Scoring:
    """Returns the way to score such a model.

    Raises:
      ConfigError: a report is asked for, which there is none of.
    """
    if flags.report:
        raise ConfigError("--report is for transcripts; a run of training has report.html with questions and answers")
    evaluation = answers(model.tokenizer)

    def asked(recording: Recording) -> Recording:
        return recording._replace(fields={FIELD: TRANSCRIBE} | dict(recording.fields))

    def results(recordings: Sequence[Recording]) -> Any:
        options: Any = {"batch_size": flags.batch_size, "channel": flags.channel, "on_error": "skip"}
        return model.ask_iter(None, [asked(recording) for recording in recordings], **options)

    def keep(recording: Recording, found: Answer) -> Any:
        return (Found(found.text.strip(), 0, 0), recording.fields) if has_answer(recording.fields) else None

    def summarize(found: Sequence[Any]) -> Summary | None:
        both = list(enumerate(found))
        scores = evaluation.score({i: result for i, (result, _) in both}, {i: fields for i, (_, fields) in both})
        return Summary(f"{evaluation.show(scores)} of {counted(len(found), 'answer')}", scores) if scores else None

    return Scoring(
        results,
        lambda part: "" if any(has_answer(recording.fields) for recording in part) else 'no line has a "text"',
        keep,
        summarize,
        lambda path, recordings: json_lines(path, lambda found: {"pred_text": found.text.strip()}),
        "answered",
    )
