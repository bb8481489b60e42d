"""Keeps the pitch of recordings in a folder, under names that follow from what was analysed and how.

A recording that is moved, or listed twice, is analysed once; one that changes is analysed again. Files are complete
or absent, so that several processes may share the folder.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.pitch import PitchRange, extract_pitch
from jaxspeech.files import replace_atomically

# Changes when the values do.
VERSION = 1


class PitchCache(NamedTuple):
    """A cached `extract_pitch`.

    Attributes:
      folder: where the values are kept; made when it is needed. None keeps nothing.
      hop: samples from frame to frame.
      within: the range.
    """

    folder: Path | None
    hop: int
    within: PitchRange = PitchRange()

    def __call__(self, samples: Float[np.ndarray, " S"], sample_rate: int) -> Float[np.ndarray, " T"]:
        """Returns the pitch of a recording in Hz, see `extract_pitch`.

        Raises:
          ConfigError: Praat is not installed, or the range cannot be used.
          OSError: the folder cannot be written.
        """
        extract = {"hop": self.hop, "within": self.within}
        if self.folder is None:
            return extract_pitch(samples, sample_rate, **extract)
        path = self._path(samples, sample_rate)
        try:
            known = np.load(path, allow_pickle=False)
            if known.shape == (len(samples) // self.hop + 1,) and known.dtype == np.float32:
                return known
        except (OSError, ValueError, EOFError):
            pass  # not there yet, or damaged: it is made again
        found = extract_pitch(samples, sample_rate, **extract)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as temporary:
            np.save(temporary, found)
        return found

    def _path(self, samples: Float[np.ndarray, " S"], sample_rate: int) -> Path:
        settings = f"{VERSION} {sample_rate} {self.hop} {self.within.low:g} {self.within.high:g}"
        content = hashlib.sha256(settings.encode())
        content.update(np.ascontiguousarray(samples, np.float32).tobytes())
        name = content.hexdigest()[:32]
        return Path(self.folder or "") / name[:2] / f"{name[2:]}.npy"
