"""Diarizes recordings while they are spoken: standard input, or files at the pace of the speech."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from jaxspeech.diarization.activity_turns import PREFIX
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import SpeechError, as_speech_error
from jaxspeech.inference.inputs import PIPE, Recording
from jaxspeech.inference.live import paced_blocks
from jaxspeech.inference.pipe import open_live
from jaxspeech.pipelines.diarized import Diarized


def diarize_live(
    streams: Any,
    recordings: Iterable[Recording],
    read: Callable[[Recording], Any],
    *,
    show: Callable[[Recording, list[Turn]], Any],
    pipe_rate: int | None = None,
    pipe_channel: Any = "mean",
    wait: bool = True,
) -> Iterator[Diarized]:
    """Streams the recordings one after the other and yields the result of each.

    Args:
      streams: of `Diarizer.streams`, with room for one more.
      recordings: the source "-" is standard input.
      read: returns a file's samples at the model's rate, or the error that prevents reading them.
      show: is called with the turns that are over, as soon as they are.
      pipe_rate: sample rate of standard input in Hz, where it has no header; the model's by default.
      pipe_channel: which channel of standard input is used, where it has a header.
      wait: feed a file's samples at the pace at which they were spoken.
    """
    for recording in recordings:
        rate, fed, stream = streams.form.sample_rate, 0, None
        try:
            if recording.source == PIPE:
                rate, blocks, _ = open_live(sys.stdin.buffer, rate=pipe_rate or rate, channel=pipe_channel)
            else:
                samples = read(recording)
                if isinstance(samples, SpeechError):
                    raise samples
                blocks = paced_blocks(samples, rate, wait=wait)
            stream = streams.open(recording.source, sample_rate=rate)
            for block in blocks:
                fed += len(block)
                show(recording, stream.feed(block).turns)
            show(recording, stream.finish().turns)
        except Exception as error:
            if stream is not None:
                streams.drop(stream)
            yield Diarized(recording.source, 0.0, [], str(as_speech_error(error, recording.source)))
            continue
        turns, activity, seconds = stream.turns, stream.activity, streams.form.frame_seconds
        names = [f"{PREFIX}{number}" for number in range(activity.shape[1])]
        yield Diarized(
            recording.source,
            fed / rate,
            turns,
            activity=activity,
            frame_seconds=seconds,
            speakers=tuple(names),
            confidences=[_confidence(turn, activity[:, names.index(turn.speaker)], seconds) for turn in turns],
        )


def _confidence(turn: Turn, probabilities: Any, seconds: float) -> float:
    """The mean probability in the frames of a turn."""
    first = min(round(turn.start / seconds), len(probabilities) - 1)
    return float(np.mean(probabilities[first : max(round(turn.end / seconds), first + 1)]))
