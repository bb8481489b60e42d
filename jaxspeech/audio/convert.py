"""Converts arrays of samples to what a model takes: float32, mono, in [-1, 1].

float x:  x            int16:  x / 2^15        int32:  x / 2^31        uint8:  (x - 128) / 128
"""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from jaxspeech.errors import AudioError

# Channels whose mean has less than this share of their power cancel each other: they correlate by less than -0.9.
CANCELLED = 0.05
# Fewer samples may do so by chance.
FEWEST_CANCELLED = 1000

# How to reduce several channels to one: their mean, or one of them, counted from 0.
Channel = int | Literal["mean"]

# Floats with the scale of integers (12345.0) are a common mistake; loud music may exceed 1.0 slightly.
LOUDEST = 100.0


def to_samples(array: Any, *, channel: Channel = "mean", name: str = "array") -> Float[np.ndarray, " S"]:
    """Convert a recording to float32 mono samples in [-1, 1].

    Args:
      array: [S], [S C] or [C S]; of two axes, the shorter one is taken as the channels. float16/32/64 in [-1, 1],
        int16, int32 or uint8; NumPy, JAX or anything that `np.asarray` accepts.
      channel: "mean" of the channels, or the number of the one to keep.
      name: the name of the array in error messages.

    Raises:
      AudioError: no samples, NaN or infinity, an unsupported number type, too many axes, no such channel, or floats
        far outside [-1, 1].
    """
    return mix_down(_to_frames(np.asarray(array), name), channel=channel, name=name)


def to_channels(array: Any, *, name: str = "array") -> Float[np.ndarray, "C S"]:
    """Convert a recording to float32 samples in [-1, 1], one row for each channel.

    Args:
      array: as for `to_samples`.
      name: the name of the array in error messages.

    Raises:
      AudioError: as in `to_samples`.
    """
    frames = _to_frames(np.asarray(array), name)
    if not np.isfinite(frames).all():
        raise AudioError(f"{name}: holds NaN or infinite samples")
    return np.ascontiguousarray(frames.T)


def mix_down(samples: Float[np.ndarray, "S C"], *, channel: Channel, name: str) -> Float[np.ndarray, " S"]:
    """Average the channels, or select one of them.

    Channels of opposite phase (a balanced line, a "widened" stereo file) would cancel each other; those that are
    opposite to the loudest one are then subtracted instead of added.

    Raises:
      AudioError: there is no such channel, or a sample is NaN or infinite.
    """
    channels = samples.shape[1]
    if channel == "mean":
        mono = samples[:, 0] if channels == 1 else _mean(samples)
    elif isinstance(channel, int) and 0 <= channel < channels:
        mono = samples[:, channel]
    else:
        raise AudioError(f"{name}: no channel {channel}, the recording has {channels} (counted from 0)")
    if not np.isfinite(mono).all():
        raise AudioError(f"{name}: holds NaN or infinite samples")
    return np.ascontiguousarray(mono)


def _mean(samples: Float[np.ndarray, "S C"]) -> Float[np.ndarray, " S"]:
    signs = opposite_signs(samples.T @ samples) if len(samples) >= FEWEST_CANCELLED else None
    return samples.mean(axis=1) if signs is None else (samples * signs).mean(axis=1)


def opposite_signs(products: Float[np.ndarray, "C C"]) -> Float[np.ndarray, " C"] | None:
    """The sign, 1 or -1, with which channels of opposite phase add up; None if their mean does not cancel.

    Args:
      products: the sum over time of the products of each two channels.
    """
    powers = products.diagonal()
    if not products.mean() < CANCELLED * powers.mean():
        return None
    return np.where(products[powers.argmax()] < 0, -1.0, 1.0).astype(np.float32)


def to_int16(samples: Float[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """Round samples in [-1, 1] to 16-bit integers; louder ones are clipped. Exact for 16-bit recordings."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def _to_frames(array: Shaped[np.ndarray, "*shape"], name: str) -> Float[np.ndarray, "S C"]:
    """The samples of all channels; of two axes, the shorter one is taken as the channels."""
    if array.ndim not in (1, 2):
        raise AudioError(f"{name}: expected samples [S] or [S, channels], got an array of shape {array.shape}")
    if array.size == 0:
        raise AudioError(f"{name}: holds no samples")
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T
    return _to_float32(array.reshape(len(array), -1), name)


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
