"""The speaker column of a voice: the number of each recording's speaker."""

from collections.abc import Collection

import numpy as np

from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.label import label_names, labels
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import ManifestError, did_you_mean
from jaxspeech.text.classes import Classes

SPEAKER = "speaker"


def speakers(manifest: Manifest, names: Classes | None, *, field: str = SPEAKER) -> Column:
    """Make the column; without names, all recordings are of speaker 0.

    Args:
      manifest: the examples.
      names: of the voice's speakers, in order; None for one speaker.
      field: of the manifest that has the speaker's name.
    """
    if names is None:
        return Column(np.int32, (), None, np.broadcast_to(True, len(manifest)), lambda example, variant: np.int32(0))
    return labels(manifest, names, field=field)


def of_speakers(manifest: Manifest, wanted: Collection[str], *, field: str = SPEAKER) -> Manifest:
    """Take the recordings of some speakers; of all, if none is named.

    Raises:
      ManifestError: there is no recording of one of them.
    """
    if not wanted:
        return manifest
    found = label_names(manifest, field=field)
    for name in wanted:
        if name not in found:
            known = sorted({str(name) for name in found if name})
            raise ManifestError(
                f"{manifest.problems.name or 'the manifest'}: no recording has the {field} {name!r}"
                f"{did_you_mean(name, known)}"
            )
    return manifest.take(np.flatnonzero([name in set(wanted) for name in found]))
