"""Arrays of samples, as people hold them, to what a model takes: float32, mono, in [-1, 1].

float x:  x            int16:  x / 2^15        int32:  x / 2^31        uint8:  (x - 128) / 128
"""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from jaxspeech.errors import AudioError

# Which of several channels to keep: their mean, or one of them, counted from 0.
Channel = int | Literal["mean"]

# Samples scaled as integers but stored as floats (12345.0) are a common mistake; music may pass 1.0 a little.
LOUDEST = 100.0


def to_samples(array: Any, *, channel: Channel = "mean", name: str = "array") -> Float[np.ndarray, " S"]:
    """A recording as float32 mono samples in [-1, 1].

    Args:
      array: [S], [S C] or [C S]: of two axes the shorter one holds the channels. float16/32/64 in [-1, 1],
        int16, int32 or uint8; NumPy, JAX or anything `np.asarray` takes.
      channel: "mean" of the channels, or the number of the one to keep.
      name: what errors call this array.

    Raises:
      AudioError: no samples, NaN or infinity, another number type, too many axes, no such channel, or floats
        far outside [-1, 1].
    """
    array = np.asarray(array)
    if array.ndim not in (1, 2):
        raise AudioError(f"{name}: expected samples [S] or [S, channels], got an array of shape {array.shape}")
    if array.size == 0:
        raise AudioError(f"{name}: holds no samples")
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T
    return mix_down(_to_float32(array.reshape(len(array), -1), name), channel=channel, name=name)


def mix_down(samples: Float[np.ndarray, "S C"], *, channel: Channel, name: str) -> Float[np.ndarray, " S"]:
    """The mean of the channels, or one of them.

    Raises:
      AudioError: there is no such channel, or a sample is NaN or infinite.
    """
    channels = samples.shape[1]
    if channel == "mean":
        mono = samples[:, 0] if channels == 1 else samples.mean(axis=1)
    elif isinstance(channel, int) and 0 <= channel < channels:
        mono = samples[:, channel]
    else:
        raise AudioError(f"{name}: no channel {channel}, the recording has {channels} (counted from 0)")
    if not np.isfinite(mono).all():
        raise AudioError(f"{name}: holds NaN or infinite samples")
    return np.ascontiguousarray(mono)


def to_int16(samples: Float[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """Samples in [-1, 1] as 16-bit integers, rounded; louder ones are clipped. Exact for 16-bit recordings."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def _to_float32(array: Shaped[np.ndarray, "S C"], name: str) -> Float[np.ndarray, "S C"]:
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128.0) / 128.0
    if array.dtype in (np.int16, np.int32):
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    if array.dtype.kind != "f":
        raise AudioError(f"{name}: samples of type {array.dtype}; give float, int16, int32 or uint8")
    peak = float(np.abs(array).max())
    if peak > LOUDEST and np.isfinite(peak):
        raise AudioError(
            f"{name}: a float sample of {peak:g}; scale floats to [-1, 1] (16-bit values: divide by 32768)"
        )
    return array.astype(np.float32)
