"""Recordings decoded to 16 bits at one rate, kept in memory as long as there is room."""

import threading

import numpy as np
from jaxtyping import Float, Int16

from jaxspeech.audio.convert import Channel, to_int16
from jaxspeech.audio.read import read
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import AudioError

# A recording may end this much before its manifest says so: durations are rounded, and codecs pad.
TOLERANCE_SECONDS = 0.1


class Decoder:
    """`decoder(index)`: the samples of an example. Safe to call from any thread.

    All samples pass through 16 bits, cached or not, so that what a model sees never depends on the memory at hand.
    """

    def __init__(self, manifest: Manifest, *, sample_rate: int, channel: Channel = "mean", cache_bytes: int = 2**30):
        self.manifest = manifest
        self.sample_rate = sample_rate
        self._channel: Channel = channel
        self._room = cache_bytes
        self._cache: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def __call__(self, index: int) -> Float[np.ndarray, " S"]:
        """The samples in [-1, 1].

        Raises:
          AudioError: the file cannot be read, or ends well before its manifest says so.
        """
        samples = self._cache.get(index)
        if samples is None:
            samples = self._decode(index)
            with self._lock:
                if index not in self._cache and samples.nbytes <= self._room:
                    self._cache[index] = samples
                    self._room -= samples.nbytes
        return samples / np.float32(32768.0)

    def _decode(self, index: int) -> Int16[np.ndarray, " S"]:
        entry = self.manifest[index]
        samples, rate = read(
            entry.path,
            sample_rate=self.sample_rate,
            offset=entry.offset,
            duration=entry.duration,
            channel=self._channel,
        )
        seconds = len(samples) / rate
        if seconds < entry.duration - TOLERANCE_SECONDS:
            raise AudioError(f"{entry.path}: ends after {seconds:.2f} s of the {entry.duration:.2f} s in its manifest")
        return to_int16(samples)
