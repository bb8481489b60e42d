"""Selects the examples of a manifest that can be trained on: those with a value in every column."""

from collections.abc import Mapping

import numpy as np

from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.decode import name_entry
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.variant import STILL
from jaxspeech.errors import ManifestError, SpeechError, as_speech_error


def usable_examples(manifest: ExampleSet, columns: Mapping[str, Column]) -> Examples:
    """Find the examples that are usable in every column; report the others with the errors that their rows raise.

    Raises:
      ManifestError: too many examples are unusable.
    """
    usable = np.ones(len(manifest), bool)
    for column in columns.values():
        usable &= column.usable
    if usable.all():
        return slice(None)
    for name, column in columns.items():
        for example in np.flatnonzero(~column.usable).tolist():
            place = name_entry(manifest[example])
            manifest.problems.add(place, _why(name, column, example, place=place))
    manifest.problems.check(manifest.num_candidates)
    if not usable.any():
        raise ManifestError(f"no example is usable; {manifest.problems.commonest}")
    return np.flatnonzero(usable).astype(np.int32)


def _why(name: str, column: Column, example: int, *, place: str) -> str:
    try:
        column.row(example, STILL)
    except SpeechError as error:
        return str(error)
    except Exception as error:
        return str(as_speech_error(error, place))
    return f"has no {name}"
