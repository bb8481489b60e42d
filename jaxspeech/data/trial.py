"""Loads a few examples before the first step, so that a run whose files are not there does not begin."""

from collections.abc import Mapping

import numpy as np

from jaxspeech.data.columns.column import Column
from jaxspeech.data.decode import name_entry
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.files import is_url
from jaxspeech.data.variant import STILL
from jaxspeech.errors import SpeechError

# Examples that are loaded, evenly spaced: a sixtieth of a second each, and what is decoded stays in memory.
TRIED = 16


def try_examples(manifest: ExampleSet, columns: Mapping[str, Column]) -> None:
    """Load the values of a few examples; those that cannot be loaded are reported as problems.

    Recordings in tars and at URLs are not tried, because much else would have to be read to reach them.

    Raises:
      ManifestError: more than three quarters of the examples that were tried cannot be loaded.
    """
    bad, tried = 0, np.arange(min(len(manifest), TRIED)) * len(manifest) // min(len(manifest), TRIED)
    for example in tried.tolist():
        entry = manifest[example]
        if entry.member is not None or is_url(entry.path):
            return
        try:
            for column in columns.values():
                if column.usable[example]:
                    column.row(example, STILL)
        except SpeechError as error:
            manifest.problems.add(name_entry(entry), str(error))
            bad += 1
    manifest.problems.check_tried(bad, len(tried))
