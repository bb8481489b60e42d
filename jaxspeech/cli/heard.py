"""Reads the recordings that a page lets its reader hear."""

from collections.abc import Mapping, Sequence

from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.report.sound import heard
from jaxspeech.report.utterance import Piece, ReplayedAudio
from jaxspeech.search.timestamps import TimedText

# Enough to hear speech, and small in a page.
SAMPLE_RATE = 16000
# Longer recordings would make the page too large.
MOST_SECONDS = 120.0


def read_audio(recordings: Mapping[str, tuple[Recording, Sequence[TimedText]]]) -> dict[str, ReplayedAudio]:
    """The audio of recordings by name, without those that cannot be read or are long.

    Args:
      recordings: each with its words, and their times if they are known.
    """
    found = {}
    for name, (recording, words) in recordings.items():
        samples = read_recording(recording, sample_rate=SAMPLE_RATE) if recording.audio is not None else None
        if samples is None or isinstance(samples, Exception) or not 0 < len(samples) <= MOST_SECONDS * SAMPLE_RATE:
            continue
        pieces = [
            Piece(word.text, word.start - recording.offset, word.end - recording.offset)
            for word in words
            if word.end > word.start
        ]
        found[name] = heard(samples, SAMPLE_RATE, pieces)
    return found
