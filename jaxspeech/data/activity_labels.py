"""Labels the frames of clean recordings as speech or not, by their level, so that a detector can be trained on them.

The labels hold for the same recordings with noise too, which training adds. Parts of noises without speech teach a
detector that not all sounds are speech.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, VoiceActivity
from jaxspeech.data.decode import Decoder, name_entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.random_parts import kept_noises, random_parts
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


def noise_entries(
    noise: Manifest, *, lengths: Sequence[int | float], count: int, frame_seconds: float = FRAME_SECONDS, seed: int = 0
) -> list[dict[str, Any]]:
    """Draws parts of recordings without speech, whose labels are all 0.

    Args:
      noise: the recordings; where lines have a "kind", only those of noise.
      lengths: of the parts to draw from, in seconds.
      count: number of parts.
      frame_seconds: from a label to the next.
      seed: determines the draw.

    Raises:
      ManifestError: there is no recording of noise.
    """
    parts = random_parts(kept_noises(noise), lengths=lengths, count=count, rng=np.random.default_rng(seed))
    return [part | {"label": " ".join("0" * max(round(part["duration"] / frame_seconds), 1))} for part in parts]


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
