"""Decodes the recordings of conversations: several of a line, or the one that a plain line names."""

import threading
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel
from jaxspeech.data.chat_lines import AUDIOS
from jaxspeech.data.decode import decode_entry
from jaxspeech.data.entry import Entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.manifest_lines import AUDIO


class ChatAudio:
    """`audio(example)` returns the recordings of an example. Safe to call from any thread.

    Lines about the same recording share what is decoded. As everywhere, samples are rounded to 16 bits.
    """

    def __init__(self, manifest: Manifest, *, sample_rate: int, channel: Channel = "mean", cache_bytes: int = 2**30):
        self._manifest, self._rate = manifest, sample_rate
        self._channel: Channel = channel
        self._room = cache_bytes
        self._cache: dict[tuple[Any, ...], np.ndarray] = {}
        self._lock = threading.Lock()

    def __call__(self, example: int) -> list[Float[np.ndarray, " S"]]:
        """Return the samples of each recording, in [-1, 1].

        Raises:
          AudioError: a file cannot be read, or is much shorter than the line says.
        """
        entry = self._manifest[example]
        audios = entry.fields.get(AUDIOS)
        entries = [entry] if audios is None else [self._entry(example, audio) for audio in audios]
        return [self._decoded(one) / np.float32(32768.0) for one in entries]

    def _entry(self, example: int, audio: dict[str, Any]) -> Entry:
        path = self._manifest.beside(example, audio[AUDIO])
        return Entry(path, float(audio["offset"]), float(audio["duration"]), audio)

    def _decoded(self, entry: Entry) -> np.ndarray:
        key = entry.path, entry.member, entry.offset, entry.duration
        samples = self._cache.get(key)
        if samples is None:
            options: Any = {"sample_rate": self._rate, "channel": self._channel}
            samples = decode_entry(entry, self._manifest.containers, **options)
            with self._lock:
                if key not in self._cache and samples.nbytes <= self._room:
                    self._cache[key] = samples
                    self._room -= samples.nbytes
        return samples
