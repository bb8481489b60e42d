"""Labels the frames of clean recordings as speech or not, so that a detector can be trained on them with noise.

By the level alone, everything that is loud enough is speech. With an alignment of the texts

    speech = words, joined over short gaps, and what the level calls speech within REACH_SECONDS of them

so that breaths, clicks and music between the words are not speech, and the ends of words, where an alignment is coarse,
are those of the level.

The labels hold for the same recordings with noise too, which training adds. Parts of noises without speech teach a
detector that not all sounds are speech.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, Span, VoiceActivity, join
from jaxspeech.data.decode import Decoder, name_entry
from jaxspeech.data.entry import Entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.random_parts import kept_noises, random_parts
from jaxspeech.errors import SpeechError

RATE = 16000
FRAME_SECONDS = 0.02
# Shorter gaps between two words are speech.
GAP_SECONDS = 0.2
REACH_SECONDS = 0.3

Samples = Float[np.ndarray, " S"]
# (samples at RATE, text) of each recording -> the spans of its words, or why it cannot be aligned, in the same order.
Align = Callable[[Iterable[tuple[Samples, Any]]], Iterator[list[Span] | str]]


def activity_entries(
    manifest: Manifest,
    *,
    detector: VoiceActivity = ENERGY_DETECTOR,
    frame_seconds: float = FRAME_SECONDS,
    align: Align | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields the entries of a manifest with a label for each frame, "0 0 1 1 ..."; 1 is speech. Paths are absolute.

    What cannot be read or aligned is added to the manifest's problems.

    Args:
      manifest: of clean recordings, with their texts if they are aligned.
      detector: finds speech by the level.
      frame_seconds: from the start of a frame to that of the next.
      align: finds the words of recordings; None: the labels are those of the detector.
    """
    # Alignment reads ahead, so that recordings wait here until it returns them.
    waiting: deque[tuple[Entry, Samples]] = deque()

    def texts() -> Iterator[tuple[Samples, Any]]:
        for entry, samples in _decoded(manifest):
            waiting.append((entry, samples))
            yield samples, entry.fields.get("text") or ""

    words = itertools.repeat([]) if align is None else align(texts())
    entries = _decoded(manifest) if align is None else (waiting.popleft() for _ in itertools.count())
    # The words come first: they fill the queue.
    for found, (entry, samples) in zip(words, entries, strict=False):
        if isinstance(found, str):
            manifest.problems.add(name_entry(entry), found)
            continue
        marks = frame_marks(samples, detector, frame_seconds=frame_seconds)
        if align is not None:
            marks = marks_with_words(marks, found, frame_seconds=frame_seconds)
        label = " ".join(map(str, marks.tolist()))
        yield entry.fields | {"audio_filepath": str(entry.path), "duration": entry.duration, "label": label}


def _decoded(manifest: Manifest) -> Iterator[tuple[Entry, Samples]]:
    decode = Decoder(manifest, sample_rate=RATE, cache_bytes=0)
    for index, entry in enumerate(manifest):
        try:
            yield entry, decode(index)
        except SpeechError as error:
            manifest.problems.add(name_entry(entry), str(error))


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


def frame_marks(samples: Samples, detector: VoiceActivity, *, frame_seconds: float) -> Int[np.ndarray, " T"]:
    """Marks the frames whose middle is in a stretch of speech."""
    count = max(int(np.ceil(len(samples) / RATE / frame_seconds)), 1)
    return _marks(detector(samples, RATE), count, frame_seconds)


def marks_with_words(
    by_level: Int[np.ndarray, " T"], words: list[Span], *, frame_seconds: float
) -> Int[np.ndarray, " T"]:
    """Combines the marks of the level with the spans of words, in seconds; see above."""
    spoken = join(sorted(words), gap=GAP_SECONDS)
    near = [(start - REACH_SECONDS, end + REACH_SECONDS) for start, end in spoken]
    of_words, around = (_marks(spans, len(by_level), frame_seconds) for spans in (spoken, near))
    return of_words | (by_level & around)


def _marks(spans: Iterable[Span], count: int, frame_seconds: float) -> Int[np.ndarray, " T"]:
    middles = (np.arange(count) + 0.5) * frame_seconds
    marks = np.zeros(count, np.int64)
    for start, end in spans:
        marks[(start <= middles) & (middles < end)] = 1
    return marks
