"""Gives the utterances of each speaker of a manifest, without the silence at their ends.

What is speech is found by the level (audio/voice_activity.py), more tightly than for transcription: true turns are made
of it. Silences of PAUSE_SECONDS or more within an utterance are no speech.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.resample import resample
from jaxspeech.audio.voice_activity import EnergyDetector
from jaxspeech.data.decode import Decoder, name_entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.noise import SILENCE, rms
from jaxspeech.errors import ManifestError, SpeechError
from jaxspeech.manifest_lines import parse_line
from jaxspeech.text.classes import class_name

PAUSE_SECONDS = 0.3
EDGES = {"min_silence": PAUSE_SECONDS, "before": 0.02, "behind": 0.05}
DETECTOR = EnergyDetector(**EDGES)
# For short recordings without a pause, in which nothing is louder than what is around it.
LOUD = EnergyDetector(above_floor_db=0.0, range_db=30.0, **EDGES)
# Seconds of the recording that are kept around the speech, and over which it is faded in and out.
MARGIN, FADE = 0.08, 0.02
# Shorter stretches that a cut leaves are dropped, in seconds.
SHORTEST = 0.1


class Spoken(NamedTuple):
    """An utterance, or a part of one.

    Attributes:
      samples: from `lead` seconds before the first stretch of speech to a little after the last one.
      lead: in seconds.
      spans: start and end of each stretch of speech, in seconds from the start of the first.
      level: root mean square of the speech.
      words: what is said; None where it is not known, or if this is a part.
    """

    samples: Float[np.ndarray, " S"]
    lead: float
    spans: Float[np.ndarray, "N 2"]
    level: float
    words: str | None


class SpeakerUtterances:
    """`utterances.spoken(index, ...)` reads an utterance. Safe to call from any thread.

    Attributes:
      speakers: names, sorted.
      of: the examples of each speaker, in the order of the manifest.
      durations: seconds of each example, with the silence.
      place: names the manifest in messages.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        sample_rate: int,
        field: str = "speaker",
        leave_out: Collection[str] = (),
        cache_bytes: int = 2**30,
    ):
        """Finds the speakers.

        Args:
          manifest: utterances of one speaker each.
          sample_rate: of the samples, in Hz.
          field: of the manifest, which names the speaker.
          leave_out: names of speakers to ignore.
          cache_bytes: memory for decoded audio.

        Raises:
          ManifestError: no line has the field, or all speakers are left out.
        """
        self.place = manifest.problems.name or str(Path(manifest[0].path).parent)
        found = examples_of_speakers(manifest, field)
        if not found:
            raise ManifestError(f"{self.place}: no line has the field {field!r}, which names the speaker")
        self.speakers = sorted(found.keys() - set(leave_out))
        if not self.speakers:
            raise ManifestError(f"{self.place}: all of its {len(found)} speakers are left out")
        self.of = [np.array(found[name]) for name in self.speakers]
        self.durations = manifest.durations
        self.manifest, self.sample_rate = manifest, sample_rate
        self._decode = Decoder(manifest, sample_rate=sample_rate, cache_bytes=cache_bytes)
        self._spans: dict[int, np.ndarray] = {}

    def spoken(
        self, index: int, *, most: float | None = None, speed: float = 1.0, rng: np.random.Generator
    ) -> Spoken | None:
        """Reads an utterance; None, and a problem of the manifest, where it cannot be read or holds no speech.

        Args:
          index: of the example.
          most: seconds that remain of a longer one, from the start of a random stretch of speech; None: all of it.
          speed: 1.1 is 1.1 times as fast, and as high.
          rng: random numbers of the cut.
        """
        choice = rng.random()
        entry = self.manifest[index]
        try:
            samples = self._decode(index)
        except SpeechError as error:
            self.manifest.problems.add(name_entry(entry), str(error))
            return None
        spans = self._spans.get(index)
        if spans is None:
            self._spans[index] = spans = _speech(samples, self.sample_rate)
        if not len(spans):
            self.manifest.problems.add(name_entry(entry), "holds no speech")
            return None
        text = entry.fields.get("text")
        words = text if isinstance(text, str) and text.strip() else None
        if most is not None and (cut := cut_spans(spans, most * speed, choice)) is not spans:
            spans, words = cut, None
        cut_off = not (self._spans[index][:, 1] == spans[-1, 1]).any()  # in the middle of speech
        first, last = max(spans[0, 0] - MARGIN, 0.0), spans[-1, 1] + (0.0 if cut_off else MARGIN)
        rate = self.sample_rate
        level = rms(np.concatenate([samples[int(a * rate) : int(b * rate)] for a, b in spans]))
        part = resample(samples[int(first * rate) : int(last * rate)], speed, 1.0)
        return Spoken(
            _faded(part, int(FADE * rate)),
            (spans[0, 0] - int(first * rate) / rate) / speed,
            (spans - spans[0, 0]) / speed,
            level,
            words,
        )


def examples_of_speakers(manifest: Manifest, field: str) -> dict[str, list[int]]:
    """Returns the examples of each speaker, in the order of the manifest; `field` names the speaker."""
    found: dict[str, list[int]] = {}
    for index, line in enumerate(manifest.lines()):
        name = class_name(parse_line(line), field)
        if name is not None:
            found.setdefault(name, []).append(index)
    return found


def cut_spans(spans: Float[np.ndarray, "N 2"], most: float, choice: float) -> Float[np.ndarray, "M 2"]:
    """Keeps `most` seconds of the stretches of speech, from the start of one of them on.

    Args:
      spans: start and end of each, in seconds.
      most: from the start of the first that is kept to the end of the last.
      choice: of where it begins, from 0 to 1.

    Returns:
      The same array if it is not longer than `most`.
    """
    if spans[-1, 1] - spans[0, 0] <= most:
        return spans
    enough = np.flatnonzero(spans[-1, 1] - spans[:, 0] >= most)
    start = spans[enough[int(choice * len(enough))], 0]
    kept = np.clip(spans, start, start + most)
    long = kept[:, 1] - kept[:, 0] >= min(SHORTEST, most)
    return kept[long]


def _speech(samples: Float[np.ndarray, " S"], rate: int) -> Float[np.ndarray, "N 2"]:
    found = DETECTOR(samples, rate) or (LOUD(samples, rate) if rms(samples) > SILENCE else [])
    return np.array(found, np.float64).reshape(-1, 2)


def _faded(samples: Float[np.ndarray, " S"], size: int) -> Float[np.ndarray, " S"]:
    samples = samples.copy()
    size = min(size, len(samples) // 2)
    ramp = (np.arange(size, dtype=np.float32) + 0.5) / max(size, 1)
    samples[:size] *= ramp
    samples[len(samples) - size :] *= ramp[::-1]
    return samples
