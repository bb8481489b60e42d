"""Mixes the tracks of one of lhotse's mixed cuts: utterances one after the other, or speech with noise.

    x(s) = sum_k g_k x_k(s - o_k)        g_k = sqrt(E 10^(-snr_k / 10) / E_k), or 1 for a track without an SNR

E is the mean square of the reference: the track that says so, or the first one without an SNR that is not padding.

Source: lhotse/cut/mixed.py (MixedCut.load_audio) and lhotse/audio/mixer.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.data.files import Location, is_url
from jaxspeech.errors import AudioError, ManifestError
from jaxspeech.manifest_lines import AUDIO

# The field of a line of a manifest that says of which parts its audio is the sum.
TRACKS = "mixed_tracks"
_PADDING = "PaddingCut"

ReadPart = Callable[[str, float, float], tuple[Float[np.ndarray, " S"], int]]


def tracks_of(cut: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the audible tracks of a mixed cut, each with its `cut`, whose supervisions begin where it does.

    Raises:
      ManifestError: it has transforms, or a track is not a cut of one channel.
    """
    if cut.get("transforms"):
        raise ManifestError("the mixed cut has transforms; let lhotse write the audio first (cuts.save_audios)")
    tracks = [{**track, "cut": {**track["cut"], "type": track["type"]}} for track in cut["tracks"]]
    tracks = [track for track in tracks if not track.get("mute")] or tracks
    for track in tracks:
        if track["type"] not in ("MonoCut", _PADDING):
            raise ManifestError(f"a mixed cut with a {track['type']}; its tracks are MonoCut and {_PADDING}")
    return tracks


def seconds_of(tracks: Iterable[Mapping[str, Any]]) -> float:
    """Returns the length of the mixture."""
    return round(max(track.get("offset", 0.0) + track["cut"]["duration"] for track in tracks), 8)


def supervisions_of(tracks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the supervisions of all tracks, with their places in the mixture."""
    return [
        {**part, "start": part["start"] + track.get("offset", 0.0)}
        for track in tracks
        for part in track["cut"].get("supervisions") or ()
    ]


def recorded(tracks: Sequence[Mapping[str, Any]], path: Location, name: Callable[..., str]) -> list[dict[str, Any]]:
    """Returns what the mixture needs of the tracks that are recordings.

    Args:
      tracks: of the mixed cut.
      path: of the file of cuts, in whose folder the audio is.
      name: (cut, recording, path) -> name of the audio.

    Raises:
      ManifestError: there is no recording, or no reference for the SNR of a track.
    """
    found = []
    for track in tracks:
        if track["type"] == _PADDING:
            continue
        cut, recording = track["cut"], track["cut"].get("recording") or {}
        if recording.get("transforms"):
            raise ManifestError("a recording in a mixed cut has transforms; let lhotse write the audio first")
        if recording["sources"][0]["type"] == "shar":
            raise ManifestError("a mixed cut in Shar: let lhotse write its audio as one recording (cuts.save_audios)")
        audio = name(cut, recording, path)
        if isinstance(path, Path) and not is_url(audio):
            audio = str((path.parent / audio).absolute())
        part = {AUDIO: audio, "start": cut["start"], "duration": cut["duration"], "offset": track.get("offset", 0.0)}
        part |= {key: track[key] for key in ("snr", "is_snr_reference") if track.get(key) is not None}
        found.append(part)
    if not found:
        raise ManifestError("a mixed cut of padding alone")
    if all("snr" in part and not part.get("is_snr_reference") for part in found):
        raise ManifestError("a mixed cut whose tracks all have an SNR; none of them is the reference")
    return found


def mix(tracks: Sequence[Mapping[str, Any]], *, seconds: float, read: ReadPart) -> tuple[Float[np.ndarray, " S"], int]:
    """Mixes recordings.

    Args:
      tracks: as `recorded` returns them.
      seconds: length of the mixture.
      read: (name of the audio, start, seconds) -> (samples, rate).

    Returns:
      (samples, rate).

    Raises:
      AudioError: a recording cannot be read, or has another rate than the first one.
    """
    parts = [read(track[AUDIO], track["start"], track["duration"]) for track in tracks]
    rate = parts[0][1]
    for track, (_, other) in zip(tracks, parts, strict=True):
        if other != rate:
            raise AudioError(f"{track[AUDIO]}: {other} Hz, and {rate} Hz of the first recording of its mixed cut")
    mixed = np.zeros(_samples(seconds, rate), np.float32)
    energy = _energy(parts[_reference(tracks)][0])
    for track, (samples, _) in zip(tracks, parts, strict=True):
        own, gain = _energy(samples), 1.0
        if track.get("snr") is not None and energy > 0 and own > 0:
            gain = np.sqrt(energy * 10 ** (-track["snr"] / 10) / own)
        place = mixed[_samples(track["offset"], rate) :][: len(samples)]
        place += np.float32(gain) * samples[: len(place)]
    return mixed, rate


def _reference(tracks: Sequence[Mapping[str, Any]]) -> int:
    named = [i for i, track in enumerate(tracks) if track.get("is_snr_reference")]
    return (named or [i for i, track in enumerate(tracks) if track.get("snr") is None])[0]


def _energy(samples: Float[np.ndarray, " S"]) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0


def _samples(seconds: float, rate: int) -> int:
    """Rounds half up, as lhotse does."""
    return int(np.floor(seconds * rate + 0.5))
