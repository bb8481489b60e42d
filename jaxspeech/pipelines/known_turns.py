"""Takes the turns of recordings from files in RTTM, as a diarizer that has found them before."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.turns import one_word
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.pipelines.diarized import Diarized


class KnownTurns:
    """The turns of recordings, which are found by the name of their file.

    Attributes:
      recordings: name -> turns.
    """

    def __init__(self, path: str | os.PathLike[str]):
        """Reads a file in RTTM, or all of a folder.

        Raises:
          ManifestError: a file cannot be read, or a line is damaged.
        """
        self.recordings = read_rttm(path)
        self._path = path

    def diarize_iter(self, inputs: Any, **options: Any) -> Iterator[Diarized]:
        """Yields the turns of each recording, of which no audio is read."""
        del options
        return map(self._turns, find_recordings(inputs))

    def _turns(self, recording: Recording) -> Diarized:
        name = one_word(Path(recording.source).stem)
        if name not in self.recordings:
            return Diarized(recording.source, 0.0, [], f"{recording.source}: {self._path} has no turns of {name}")
        turns = sorted(self.recordings[name])
        return Diarized(recording.source, max((turn.end for turn in turns), default=0.0), turns)
