"""Decodes recordings to 16 bits at one sample rate, and caches them in memory while there is room."""

import io
import threading
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16

from jaxspeech.audio.convert import Channel, to_int16
from jaxspeech.audio.read import read
from jaxspeech.audio.resample import resample
from jaxspeech.data.containers import Containers
from jaxspeech.data.entry import Entry
from jaxspeech.data.files import is_url, open_binary
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixed_cuts import TRACKS, mix
from jaxspeech.errors import AudioError

# A recording may be this much shorter than its manifest says: durations are rounded, and codecs pad.
TOLERANCE_SECONDS = 0.1


class Decoder:
    """`decoder(index)` returns the samples of an example. Safe to call from any thread.

    All samples are rounded to 16 bits, cached or not, so that a model's input never depends on the available memory.
    """

    def __init__(self, manifest: Manifest, *, sample_rate: int, channel: Channel = "mean", cache_bytes: int = 2**30):
        self.manifest = manifest
        self.sample_rate = sample_rate
        self._channel: Channel = channel
        self._room = cache_bytes
        self._cache: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def __call__(self, index: int) -> Float[np.ndarray, " S"]:
        """Return the samples in [-1, 1].

        Raises:
          AudioError: the file cannot be read, or is much shorter than its manifest says.
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
        entry, containers = self.manifest[index], self.manifest.containers
        return decode_entry(entry, containers, sample_rate=self.sample_rate, channel=self._channel)


def decode_entry(
    entry: Entry, containers: Containers, *, sample_rate: int, channel: Channel = "mean"
) -> Int16[np.ndarray, " S"]:
    """Decode the recording of an entry.

    Args:
      entry: of a manifest.
      containers: of the manifest.
      sample_rate: of the result, in Hz.
      channel: of a recording with several; see `audio.read`.

    Raises:
      AudioError: the file cannot be read, or is much shorter than its manifest says.
    """
    if tracks := entry.fields.get(TRACKS):
        samples, rate = mix(tracks, seconds=entry.duration, read=partial(_read_part, containers, channel))
        return to_int16(resample(samples, rate, sample_rate))
    plain = entry.member is None and not is_url(entry.path)  # a plain file can be sought instead of read whole
    samples, rate = read(
        entry.path if plain else io.BytesIO(read_bytes(entry, containers)),
        name=name_audio(entry),
        sample_rate=sample_rate,
        offset=entry.offset,
        duration=entry.duration,
        channel=channel,
    )
    seconds = len(samples) / rate
    if seconds < entry.duration - TOLERANCE_SECONDS:
        raise AudioError(
            f"{name_audio(entry)}: ends after {seconds:.2f} s of the {entry.duration:.2f} s in its manifest"
        )
    return to_int16(samples)


def _read_part(
    containers: Containers, channel: Channel, name: str, start: float, seconds: float
) -> tuple[Float[np.ndarray, " S"], int]:
    """The samples of a track of a mixed cut, and its own rate."""
    source = io.BytesIO(read_bytes(Entry(name, start, seconds, {}), containers)) if is_url(name) else name
    return read(source, name=name, offset=start, duration=seconds, channel=channel)


def read_bytes(entry: Entry, containers: Containers) -> bytes:
    """Return the content of the recording's file: a plain file, a member of a container, or a URL.

    Raises:
      AudioError: it cannot be read.
    """
    if entry.member is not None:
        return containers.read(entry.path, entry.member)
    path = Path(entry.path) if not is_url(entry.path) else entry.path
    with open_binary(path, error=AudioError) as file:
        return file.read()


def name_audio(entry: Entry) -> str:
    """The name of a recording in error messages."""
    return str(entry.path) if entry.member is None else f"{entry.path}:{entry.member}"


def name_entry(entry: Entry) -> str:
    """The name of an example in messages and in `Problems`: its audio and, if not 0, the offset in it."""
    return f"{name_audio(entry)} at {entry.offset:g} s" if entry.offset else name_audio(entry)
