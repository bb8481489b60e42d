"""Reads recordings with their targets: audio-to-audio manifests.

    {"audio_filepath": ["mic1.wav", "mic2.wav"], "target_filepath": "clean.wav", "offset": 1.5, "duration": 4.0}

A field names a file or a list of files, whose channels are put one after the other. All files of a line are cut at its
offset and duration.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.read import read_channels
from jaxspeech.data.decode import TOLERANCE_SECONDS
from jaxspeech.data.files import is_url, open_binary
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import AudioError, ConfigError, ManifestError, did_you_mean
from jaxspeech.manifest_lines import AUDIO

AVERAGE = "average"
# Channels of a recording: all of them, their average, one, or several; counted from 0.
Selector = int | tuple[int, ...] | str | None


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """Where audio-to-audio manifests have what.

    Attributes:
      input: the field that names the noisy recording.
      target: the field that names what a model makes of it.
      reference: a field with a further recording that a model hears, for example what a loudspeaker plays; its channels
        follow those of the input. "": none.
      input_channels, target_channels, reference_channels: which channels are taken: None is all, "average", the number
        of one counted from 0, or several numbers.
    """

    input: str = AUDIO
    target: str = "target_filepath"
    reference: str = ""
    input_channels: Selector = None
    target_channels: Selector = None
    reference_channels: Selector = None

    def __post_init__(self) -> None:
        for name in ("input", "target", "reference"):
            if not isinstance(getattr(self, name), str) or (not getattr(self, name) and name != "reference"):
                raise ConfigError(f"pairs.{name} is {getattr(self, name)!r}; it is the name of a field of the manifest")
            chosen = getattr(self, f"{name}_channels")
            numbers = chosen if isinstance(chosen, tuple) else (chosen,)
            if chosen not in (None, AVERAGE) and not (numbers and all(_is_number(number) for number in numbers)):
                raise ConfigError(
                    f'pairs.{name}_channels is {chosen!r}; it is None (all), "{AVERAGE}", or numbers counted from 0'
                )


def parse_pairs(config: Mapping[str, Any]) -> PairOptions:
    """Converts a config's plain values.

    Raises:
      ConfigError: a field is unknown (the message suggests the nearest known one), or a value is invalid.
    """
    names = [field.name for field in fields(PairOptions)]
    for name in config:
        if name not in names:
            raise ConfigError(f"pairs.{name}: no such field{did_you_mean(name, names)}")
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list | tuple) else v for key, v in config.items()}
    return PairOptions(**given)


class PairedAudio:
    """`pairs(example)` reads an example's recording and its targets. Safe to call from any thread."""

    def __init__(self, manifest: Manifest, options: PairOptions, *, sample_rate: int, cache_bytes: int = 2**30):
        self._manifest, self._options, self._rate = manifest, options, sample_rate
        self._room = cache_bytes
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._lock = threading.Lock()

    def __call__(self, example: int) -> tuple[Float[np.ndarray, "C S"], Float[np.ndarray, "M S"]]:
        """Return (the recording, its targets), equally long.

        Raises:
          AudioError: a file cannot be read, or has no such channel.
          ManifestError: a field is missing, or a file is much shorter than the line says or than the others.
        """
        found = self._cache.get(example)
        if found is None:
            found = self._load(example)
            size = sum(part.nbytes for part in found)
            with self._lock:
                if example not in self._cache and size <= self._room:
                    self._cache[example] = found
                    self._room -= size
        return found

    def _load(self, example: int) -> tuple[np.ndarray, np.ndarray]:
        options, entry = self._options, self._manifest[example]
        parts = {options.input: options.input_channels, options.target: options.target_channels}
        if options.reference:
            parts[options.reference] = options.reference_channels
        read: dict[str, np.ndarray] = {}
        for field, channels in parts.items():
            sounds = [self._read(example, name) for name in _names(entry.fields, field)]
            for name, sound in sounds:
                seconds = sound.shape[1] / self._rate
                if seconds < entry.duration - TOLERANCE_SECONDS:
                    raise ManifestError(f"{name}: ends after {seconds:.2f} s of the {entry.duration:.2f} s of its line")
            size = min(sound.shape[1] for _, sound in sounds)
            together = np.concatenate([sound[:, :size] for _, sound in sounds])
            read[field] = _selected(together, channels, name=sounds[0][0])
        size = min(sound.shape[1] for sound in read.values())
        samples, targets = read[options.input][:, :size], read[options.target][:, :size]
        if options.reference:
            samples = np.concatenate([samples, read[options.reference][:, :size]])
        return samples, targets

    def _read(self, example: int, name: str) -> tuple[str, Float[np.ndarray, "C S"]]:
        entry, path = self._manifest[example], self._manifest.beside(example, name)
        part: Any = {"sample_rate": self._rate, "offset": entry.offset, "duration": entry.duration}
        if not is_url(path):
            return str(path), read_channels(Path(path), **part)[0]
        with open_binary(path, error=AudioError) as file:
            return str(path), read_channels(file, name=str(path), **part)[0]


def _names(fields: Mapping[str, Any], field: str) -> list[str]:
    """The files that a field names."""
    value = fields.get(field)
    names = [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str) and name]
    if not names or (isinstance(value, list) and len(names) < len(value)):
        raise ManifestError(f"no {field}" if value is None else f"its {field} names no files: {value!r:.60}")
    return names


def _selected(sound: Float[np.ndarray, "C S"], channels: Selector, *, name: str) -> Float[np.ndarray, "D S"]:
    if channels is None:
        return sound
    if channels == AVERAGE:
        return sound.mean(0, keepdims=True)
    numbers = [int(number) for number in (channels if isinstance(channels, tuple) else (channels,))]
    for number in numbers:
        if number >= len(sound):
            raise AudioError(f"{name}: no channel {number}, there are {len(sound)} (counted from 0)")
    return sound[numbers]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
