"""Recordings decoded to 16 bits at one rate, kept in memory as long as there is room."""

import io
import threading
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16

from jaxspeech.audio.convert import Channel, to_int16
from jaxspeech.audio.read import read
from jaxspeech.data.containers import Containers
from jaxspeech.data.files import is_url, open_binary
from jaxspeech.data.manifest import Entry, Manifest
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
        plain = entry.member is None and not is_url(entry.path)  # then a long file is sought, not read to the end
        samples, rate = read(
            entry.path if plain else io.BytesIO(read_bytes(entry, self.manifest.containers)),
            name=name_audio(entry),
            sample_rate=self.sample_rate,
            offset=entry.offset,
            duration=entry.duration,
            channel=self._channel,
        )
        seconds = len(samples) / rate
        if seconds < entry.duration - TOLERANCE_SECONDS:
            raise AudioError(
                f"{name_audio(entry)}: ends after {seconds:.2f} s of the {entry.duration:.2f} s in its manifest"
            )
        return to_int16(samples)


def read_bytes(entry: Entry, containers: Containers) -> bytes:
    """The recording's file, wherever it is.

    Raises:
      AudioError: it cannot be read.
    """
    if entry.member is not None:
        return containers.read(entry.path, entry.member)
    path = Path(entry.path) if not is_url(entry.path) else entry.path
    with open_binary(path, error=AudioError) as file:
        return file.read()


def name_audio(entry: Entry) -> str:
    """What errors call a recording."""
    return str(entry.path) if entry.member is None else f"{entry.path}:{entry.member}"


def name_entry(entry: Entry) -> str:
    """What a person finds an example by: its audio, and where in it. Problems with it are filed under this."""
    return f"{name_audio(entry)} at {entry.offset:g} s" if entry.offset else name_audio(entry)
