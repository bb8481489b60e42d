"""Cuts a long recording at its silences into segments that are short enough to be transcribed one by one."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.voice_activity import Span

SEGMENT_SECONDS = 30.0
# A cut within speech is placed in the quietest stretch of this length.
QUIET_SECONDS = 0.1


def cut_at_silences(
    samples: Float[np.ndarray, " S"],
    sample_rate: int,
    speech: Iterable[Span],
    *,
    max_seconds: int | float = SEGMENT_SECONDS,
) -> list[Span]:
    """Return (start, end) in seconds of segments that cover all speech, in order, each at most `max_seconds` long.

    A full segment ends at the longest silence in its second half. Speech is cut, at its quietest place, only if it
    continues for longer than a segment.

    Args:
      samples: the recording.
      sample_rate: in Hz.
      speech: the stretches of speech that a `VoiceActivity` found.
      max_seconds: greatest length of a segment.
    """
    pieces = [piece for span in speech for piece in _shorter(samples, sample_rate, span, max_seconds)]
    segments: list[Span] = []
    while pieces:
        start = pieces[0][0]
        fitting = sum(end - start <= max_seconds for _, end in pieces)
        if fitting == len(pieces):
            count = fitting
        else:
            late = [k for k in range(1, fitting + 1) if pieces[k - 1][1] - start >= max_seconds / 2] or [fitting]
            count = max(late, key=lambda k: (pieces[k][0] - pieces[k - 1][1], k))
        segments.append((start, pieces[count - 1][1]))
        pieces = pieces[count:]
    return segments


def _shorter(samples: Float[np.ndarray, " S"], rate: int, span: Span, max_seconds: int | float) -> Iterator[Span]:
    """Split a span into pieces of at most `max_seconds`."""
    start, end = span
    while end - start > max_seconds:
        first, stop = round((start + max_seconds / 2) * rate), round((start + max_seconds) * rate)
        size = max(round(QUIET_SECONDS * rate), 1)
        sums = np.cumsum(np.square(samples[first:stop], dtype=np.float64))
        quietest = int(np.argmin(sums[size:] - sums[:-size])) if len(sums) > size else 0
        cut = min((first + quietest + size / 2) / rate, start + max_seconds)
        yield start, cut
        start = cut
    yield start, end
