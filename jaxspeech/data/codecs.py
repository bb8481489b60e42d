"""Encodes and decodes audio in memory with libsndfile, as it sounds after a call, a broadcast or a download.

    opus, vorbis, mp3       at the rate of the audio, where they can
    mulaw, alaw (G.711)     at 8 kHz, 8 bits a sample on a logarithmic scale: telephone lines
    gsm (GSM 06.10)         at 8 kHz, 13 kbit/s: mobile phones

The result has the length of the audio and lies where it lay: libsndfile takes away the delay of Opus and MP3, and
resampling has none. What is made depends on the audio and the settings alone.
"""

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float

from jaxspeech.audio.resample import resample
from jaxspeech.errors import ConfigError, did_you_mean

# Samples that are encoded at a time; encoders need stack for all that they are given.
BLOCK = 1 << 14


class Format(NamedTuple):
    """How libsndfile writes a codec.

    Attributes:
      container, subtype: its names of the format.
      rates: sample rates in Hz that the codec has, ascending.
      lossy: whether its bit rate can be chosen.
    """

    container: str
    subtype: str
    rates: tuple[int, ...]
    lossy: bool = False


_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
FORMATS = {
    "opus": Format("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000), lossy=True),
    "vorbis": Format("OGG", "VORBIS", _MPEG_RATES, lossy=True),
    "mp3": Format("MP3", "MPEG_LAYER_III", _MPEG_RATES, lossy=True),
    "mulaw": Format("WAV", "ULAW", (8000,)),
    "alaw": Format("WAV", "ALAW", (8000,)),
    "gsm": Format("WAV", "GSM610", (8000,)),
}


@dataclass(frozen=True, kw_only=True)
class Codec:
    """A codec: one of `names`, and for opus, vorbis and mp3 a compression within a range, from 0 to 1."""

    names: tuple[str, ...] = ("opus", "mp3", "mulaw", "alaw")
    compression: tuple[int | float, int | float] = (0.8, 0.99)
    probability: int | float = 0.5

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in FORMATS:
                raise ConfigError(f"names: there is no codec {name!r}{did_you_mean(name, FORMATS)}")
        if not self.names or not 0 <= self.compression[0] <= self.compression[1] <= 1:
            raise ConfigError(f"compression: {self.compression} must be a range within 0 and 1, and names not empty")


def through_codec(
    samples: Float[np.ndarray, " S"], name: str, *, sample_rate: int, compression: float = 0.9
) -> Float[np.ndarray, " S"]:
    """Encode and decode a signal.

    Args:
      samples: the signal; what exceeds full scale is cut off, as an encoder does.
      name: of the codec, one of FORMATS.
      sample_rate: of the signal, in Hz.
      compression: of opus, vorbis and mp3: from 0, the highest quality, to 1, the lowest bit rate.
    """
    if not len(samples):
        return samples
    codec = FORMATS[name]
    rate = next((rate for rate in codec.rates if rate >= sample_rate), codec.rates[-1])
    coded = np.clip(resample(samples, sample_rate, rate), -1.0, 1.0)
    file = io.BytesIO()
    quality = compression if codec.lossy else None
    kind = codec.container
    with soundfile.SoundFile(file, "w", rate, 1, codec.subtype, format=kind, compression_level=quality) as writer:
        for first in range(0, len(coded), BLOCK):
            writer.write(coded[first : first + BLOCK])
    file.seek(0)
    decoded = resample(soundfile.read(file, dtype="float32")[0], rate, sample_rate)[: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded)))
