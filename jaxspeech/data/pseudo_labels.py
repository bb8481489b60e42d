"""Chooses, among transcripts that models made, those that are good enough to train on.

    confidence    = mean over the words of the first model's transcript
    disagreement  = character errors between the two models' transcripts / characters of the first one
    rate          = characters of the transcript / seconds of the recording

Confident nonsense is what two models agree on least, and a text that is too long or too short for its audio is what
neither knows: repeated words, or words that were not heard.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.data.files import beside, is_url, locate
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import AUDIO, as_utf8, numbered_lines, parse_line
from jaxspeech.text.canonical import comparable, is_blank
from jaxspeech.text.error_rate import char_errors

# The field of a chosen line that has the transcript that the line had before.
REFERENCE = "reference_text"


class Wanted(NamedTuple):
    """What a transcript must be to be trained on.

    Attributes:
      min_confidence: 0 to 1; 0: whatever it is.
      max_disagreement: between two models, as a character error rate; needs a second model.
      min_rate, max_rate: characters a second.
      field: of the lines, that has the transcript.
    """

    min_confidence: float = 0.0
    max_disagreement: float | None = None
    min_rate: float = 0.0
    max_rate: float = float("inf")
    field: str = "pred_text"


def choose(
    first: Iterable[Mapping[str, Any]], second: Iterable[Mapping[str, Any]] | None, wanted: Wanted
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Choose the lines to train on.

    Args:
      first: the lines with the transcripts of the first model, which become their texts.
      second: those of a second model, in any order; matched by their audio and where it begins.
      wanted: what a transcript must be.

    Returns:
      The lines with their transcript as "text", its "confidence", "disagreement" and "rate", and in `REFERENCE` the
      text they had; and how many were left out for which reason.

    Raises:
      ManifestError: no line has the confidence that is asked for, or there is no second model to agree with.
    """
    if wanted.max_disagreement is not None and second is None:
        raise ManifestError("a limit of disagreement needs the transcripts of a second model")
    others = None if second is None else {_key(line): line.get(wanted.field) for line in second}
    chosen, left_out, unsure, total = [], Counter[str](), 0, 0
    for line in first:
        total += 1
        sure = confidence_of(line)
        unsure += sure is None
        if why := _measure(line, sure, others, wanted, found := {}):
            left_out[why] += 1
            continue
        kept = {name: value for name, value in line.items() if not name.startswith("pred_") and name != wanted.field}
        if "text" in kept:
            kept[REFERENCE] = kept.pop("text")
        chosen.append(kept | {"text": line[wanted.field]} | found)
    if wanted.min_confidence > 0 and total and unsure == total:
        raise ManifestError("no line has the confidence of its words: transcribe with --timestamps, or ask for none")
    return chosen, left_out


def _measure(
    line: Mapping[str, Any],
    sure: float | None,
    others: Mapping[Any, Any] | None,
    wanted: Wanted,
    found: dict[str, Any],
) -> str:
    """Measure a line's transcript into `found`; returns why it is left out, or ""."""
    text, seconds = line.get(wanted.field), line.get("duration")
    if not isinstance(text, str) or is_blank(text):
        return "without words"
    if wanted.min_confidence > 0 and (sure is None or sure < wanted.min_confidence):
        return f"less confident than {wanted.min_confidence:g}" if sure is not None else "without confidence"
    if sure is not None:
        found["confidence"] = round(sure, 4)
    if others is not None:
        other = others.get(_key(line))
        if not isinstance(other, str):
            return "not transcribed by the second model"
        found["disagreement"] = round(min(char_errors([text], [other]).rate, 9.0), 4)
        if wanted.max_disagreement is not None and found["disagreement"] > wanted.max_disagreement:
            return f"with more disagreement than {wanted.max_disagreement:g}"
    if isinstance(seconds, int | float) and seconds > 0:
        found["rate"] = round(len(comparable(text)) / seconds, 2)
        if not wanted.min_rate <= found["rate"] <= wanted.max_rate:
            return f"with fewer than {wanted.min_rate:g} or more than {wanted.max_rate:g} characters a second"
    elif wanted.min_rate > 0 or wanted.max_rate < float("inf"):
        return "without a duration"
    return ""


def confidence_of(line: Mapping[str, Any]) -> float | None:
    """The mean confidence of a line's words, as `jaxspeech transcribe --timestamps` writes them; None without any."""
    words = line.get("pred_words")
    sure = [word.get("confidence") for word in words if isinstance(word, Mapping)] if isinstance(words, list) else []
    numbers = [value for value in sure if isinstance(value, int | float)]
    return sum(numbers) / len(numbers) if numbers else None


def read_transcripts(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file of transcripts, with absolute paths of their audio.

    Raises:
      ManifestError: it is missing, or a line is not a JSON object.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: no such file")
    with path.open("rb") as file:
        for number, line in numbered_lines(as_utf8(file)):
            try:
                fields = parse_line(line)
            except ManifestError as error:
                raise ManifestError(f"{path}:{number}: {error}") from error
            names = fields.get(AUDIO)
            if isinstance(names, str):
                place = str(beside(locate(path), names))
                # Two models' lines may name the same file by different ways through folders.
                fields[AUDIO] = place if is_url(place) else os.path.normpath(place)
            yield fields


def without_repeats(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first line of each part of a recording."""
    return list({_key(line): line for line in reversed(lines)}.values())[::-1]


def _key(line: Mapping[str, Any]) -> tuple[str, float, int | None]:
    return str(line.get(AUDIO)), round(float(line.get("offset") or 0), 3), line.get("channel")
