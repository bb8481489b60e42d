"""Labels the frames of clean recordings as speech or not, by their level, so that a detector can be trained on them.

The labels hold for the same recordings with noise too, which training adds.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, VoiceActivity
from jaxspeech.data.decode import Decoder, name_entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import SpeechError

RATE = 16000
FRAME_SECONDS = 0.02


def activity_entries(
    manifest: Manifest, *, detector: VoiceActivity = ENERGY_DETECTOR, frame_seconds: float = FRAME_SECONDS
) -> Iterator[dict[str, Any]]:
    """Yields the entries of a manifest with a label for each frame, "0 0 1 1 ..."; 1 is speech. Paths are absolute.

    What cannot be read is added to the manifest's problems.
    """
    decode = Decoder(manifest, sample_rate=RATE, cache_bytes=0)
    for index, entry in enumerate(manifest):
        try:
            samples = decode(index)
        except SpeechError as error:
            manifest.problems.add(name_entry(entry), str(error))
            continue
        marks = frame_marks(samples, detector, frame_seconds=frame_seconds)
        label = " ".join(map(str, marks.tolist()))
        yield entry.fields | {"audio_filepath": str(entry.path), "duration": entry.duration, "label": label}


def frame_marks(
    samples: Float[np.ndarray, " S"], detector: VoiceActivity, *, frame_seconds: float
) -> Int[np.ndarray, " T"]:
    """Marks the frames whose middle is in a stretch of speech."""
    count = max(int(np.ceil(len(samples) / RATE / frame_seconds)), 1)
    middles = (np.arange(count) + 0.5) * frame_seconds
    marks = np.zeros(count, np.int64)
    for start, end in detector(samples, RATE):
        marks[(start <= middles) & (middles < end)] = 1
    return marks
