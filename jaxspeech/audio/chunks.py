"""Cuts a long recording into chunks of 30 to 40 s that together cover all of it.

A chunk ends in the longest silence of its last 10 s, and the next one begins there. Where there is no silence, the cut
is at the quietest place, and the chunks overlap around it, so that each word is whole in one of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.audio.voice_activity import HOP_SECONDS, Span

SHORTEST_SECONDS, LONGEST_SECONDS = 30.0, 40.0
OVERLAP_SECONDS = 3.0
# The last chunk is at least this long.
TAIL_SECONDS = 5.0
# The level of a silence is the mean over this many hops, is this much below that of the loud parts, or below a level at
# which nothing is heard.
QUIET_HOPS = 20
BELOW_LOUD_DB, INAUDIBLE_DB = 15.0, -60.0


class Chunk(NamedTuple):
    """A part of a recording, in samples; where the next one begins before its end, both have what is between."""

    start: int
    end: int


def cut_into_chunks(
    samples: Float[np.ndarray, " S"], sample_rate: int, speech: Sequence[Span], *, frame: int = 1
) -> list[Chunk]:
    """Returns chunks in order, each at most 40 s long; the first begins with the recording, the last ends with it.

    Args:
      samples: the recording.
      sample_rate: in Hz.
      speech: the stretches of speech that a `VoiceActivity` found, in seconds; silences are between them.
      frame: chunks begin at multiples of this many samples.
    """
    hop = round(HOP_SECONDS * sample_rate)
    shortest, longest, overlap, tail = (
        round(seconds * sample_rate) for seconds in (SHORTEST_SECONDS, LONGEST_SECONDS, OVERLAP_SECONDS, TAIL_SECONDS)
    )
    chunks, start = [], 0
    while len(samples) - start > longest:
        last = min(start + longest, len(samples) - tail)
        level = _level(samples[start:last], hop)
        first = shortest // hop
        quiet = _no_speech(speech, len(level), hop / sample_rate, start / sample_rate)
        place = _silence(level, quiet, first)
        if place is not None:
            end = (start + (place + QUIET_HOPS // 2) * hop) // frame * frame
            chunks.append(Chunk(start, end))
            start = end
        else:
            stop = max(len(level) - overlap // 2 // hop, first + 1)
            cut = start + (first + int(np.argmin(level[first:stop])) + QUIET_HOPS // 2) * hop
            end = min(cut + overlap // 2, start + longest)
            chunks.append(Chunk(start, end))
            start = (cut - overlap // 2) // frame * frame
    return [*chunks, Chunk(start, len(samples))]


def loudest(samples: Float[np.ndarray, " S"], sample_rate: int) -> float:
    """Returns the level of the loudest 0.2 s, in dB relative to full scale."""
    level = _level(samples, round(HOP_SECONDS * sample_rate))
    return float(level.max(initial=-np.inf))


def _level(samples: Float[np.ndarray, " S"], hop: int) -> Float[np.ndarray, " N"]:
    """The level of the stretch of `QUIET_HOPS` hops that begins at each hop, in dB."""
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop)
    power = np.cumsum(np.r_[0.0, blocks.var(axis=1, dtype=np.float64)])
    size = min(QUIET_HOPS, len(power) - 1)
    if not size:
        return np.zeros(0)
    return 10 * np.log10(np.maximum((power[size:] - power[:-size]) / size, 1e-12))


def _no_speech(speech: Sequence[Span], size: int, hop_seconds: float, start: float) -> Bool[np.ndarray, " N"]:
    """Whether there is no speech in the stretch that begins at each hop."""
    quiet = np.ones(size, bool)
    for begin, end in speech:
        first = int((begin - start) / hop_seconds) - QUIET_HOPS + 1
        quiet[max(first, 0) : max(int(np.ceil((end - start) / hop_seconds)), 0)] = False
    return quiet


def _silence(level: Float[np.ndarray, " N"], quiet: Bool[np.ndarray, " N"], first: int) -> int | None:
    """The place of the longest silence after `first`, where it is quietest; None if there is none."""
    # A detector may overlook speech that is steady, or noise that hides it: a silence must also be quiet.
    border = max(np.percentile(level, 90) - BELOW_LOUD_DB, INAUDIBLE_DB)
    silent = quiet & (level <= border)
    edges = np.flatnonzero(np.diff(np.r_[False, silent[first:], False].astype(np.int8)))
    runs = edges.reshape(-1, 2) + first
    if not len(runs):
        return None
    begin, end = max(runs.tolist(), key=lambda run: (run[1] - run[0], run[1]))
    places = np.arange(begin, end)
    # In digital silence all places are equally quiet: then it is the middle.
    order = np.lexsort((np.abs(places - (begin + end) / 2), np.round(level[begin:end])))
    return int(places[order[0]])
