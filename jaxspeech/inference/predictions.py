"""Reads transcripts that a program has written to a manifest, one JSON object a line, to score them.

{"audio_filepath": "a.wav", "duration": 2.5, "text": "what was said", "pred_text": "what was recognised"}

Only the two texts are needed. Confidences of words are read from "pred_words", as `jaxspeech transcribe --timestamps`
writes them, or from "word_confidence", one number for each word of the transcript, as NeMo does.
"""

import os
from collections.abc import Iterator
from typing import Any

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording, read_manifest
from jaxspeech.search.timestamps import TimedText

PRED_FIELD = "pred_text"


def read_predictions(path: str | os.PathLike[str], *, text_field: str = "text") -> Iterator[Recording]:
    """Yields the lines of a manifest as recordings, also those without audio; see `inputs.read_manifest`."""
    for recording in read_manifest(path, needs_audio=False):
        text = recording.fields.get(text_field)
        if text_field == "text" or recording.problem:
            yield recording
        elif text is None or isinstance(text, str):
            yield recording._replace(text=text)
        else:
            yield recording._replace(problem=f'{recording.source}: "{text_field}" is {str(text)[:80]}, not a string')


def prediction_of(recording: Recording, *, field: str = PRED_FIELD) -> Hypothesis:
    """The transcript that a line holds, or the error that it holds none.

    Args:
      recording: one that `read_predictions` has yielded.
      field: that has the transcript.
    """
    if recording.problem:
        return Hypothesis(source=recording.source, error=recording.problem)
    text = recording.fields.get(field)
    if not isinstance(text, str):
        what = "is missing" if text is None else f"is {str(text)[:80]}, not a string"
        return Hypothesis(source=recording.source, error=f'{recording.source}: "{field}" {what}')
    return Hypothesis(
        text, duration=recording.duration or 0.0, source=recording.source, words=_words(recording.fields, text)
    )


def confidences_of(found: Hypothesis) -> list[tuple[str, float]]:
    """The words of a transcript with their confidences; none if they are not known."""
    return [(word.text, word.confidence) for word in found.words or ()]


def _words(fields: Any, text: str) -> tuple[TimedText, ...]:
    words, numbers = fields.get("pred_words"), fields.get("word_confidence")
    try:
        if words:
            return tuple(
                TimedText(
                    str(word["text"]),
                    float(word.get("start", 0.0)),
                    float(word.get("end", 0.0)),
                    float(word["confidence"]),
                )
                for word in words
            )
        if numbers and len(numbers) == len(text.split()):
            return tuple(TimedText(word, 0.0, 0.0, float(x)) for word, x in zip(text.split(), numbers, strict=True))
    except (AttributeError, TypeError, KeyError, ValueError):  # another program's field of this name
        pass
    return ()
