"""Speech that is known before a recording is diarized: turns of a reference, or what another detector found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.diarization.turns import one_word
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.inference.inputs import Recording

MOST_LISTED = 5


def check_speech(speech: Any) -> None:
    """Raises ConfigError unless `speech` is None, (start, end) of stretches, or a mapping from names to them."""
    if speech is None:
        return
    some = next(iter(speech.values()), ()) if isinstance(speech, Mapping) else speech
    try:
        np.array([[float(start), float(end)] for start, end, *_ in some])
    except (TypeError, ValueError):
        raise ConfigError(
            "speech is the (start, end) of stretches in seconds, or a mapping from names of recordings to these, like "
            "what read_rttm returns"
        ) from None


def speech_of(recording: Recording, speech: Any, *, duration: float) -> Float[np.ndarray, "N 2"]:
    """Returns the speech of a recording, in order, within it; stretches may overlap.

    Args:
      recording: one of a call; times of its file count from the file's start.
      speech: see `check_speech`.
      duration: of the recording, in seconds.

    Raises:
      ManifestError: a mapping does not have the recording.
    """
    spans = speech
    if isinstance(speech, Mapping):
        stem = Path(recording.source).stem
        names = [name for name in (recording.source, stem, one_word(stem)) if name in speech]
        if not names:
            listed = ", ".join(map(repr, list(speech)[:MOST_LISTED])) or "nothing"
            raise ManifestError(f"{recording.source}: its speech is not known; known are {listed}")
        spans = speech[names[0]]
    times: Sequence[Any] = [(start, end) for start, end, *_ in spans]
    found = np.array(times, np.float64).reshape(-1, 2) - (recording.offset if isinstance(speech, Mapping) else 0.0)
    found = np.clip(found, 0.0, duration)
    found = found[found[:, 1] > found[:, 0]]
    return found[np.argsort(found[:, 0], kind="stable")]
