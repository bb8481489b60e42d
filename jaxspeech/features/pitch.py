"""Estimates the pitch of speech inside a compiled program, by autocorrelation (Boersma, 1993).

a[lag]  = sum_n w[n] x[n] w[n + lag] x[n + lag]
r[lag]  = (a[lag] / a[0]) / (the same of w alone)
pitch   = rate / lag, where r[lag] + cost log2(pitch / low) is greatest; unvoiced if that r is below VOICED

w is a Hann window of three periods of the lowest pitch. P. Boersma, "Accurate short-term analysis of the fundamental
frequency and the harmonics-to-noise ratio of a sampled sound", equations 9 and 24 to 27; without its search for a path
through the frames, which `audio.pitch` does on the host, by Praat itself.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.features.stft import STFT, framed, over_first
from jaxspeech.masks import zero_padding

PERIODS = 3
# Praat's defaults: the least correlation of a voiced frame, the least peak relative to the recording's, and what an
# octave upwards is worth.
VOICED, SILENT, OCTAVE_COST = 0.45, 0.03, 0.01


def pitch(
    samples: Float[Any, "B S"],
    num_samples: Int[Any, " B"],
    *,
    sample_rate: int,
    hop: int,
    low: int | float = 65.0,
    high: int | float = 600.0,
    centred: bool = True,
) -> Float[Array, "B T"]:
    """Estimates the fundamental frequency of every whole hop of samples.

    Args:
      samples: recordings; beyond `num_samples` they may hold anything.
      num_samples: of each row.
      sample_rate: in Hz.
      hop: samples from frame to frame.
      low, high: the range, in Hz; `high` at most half the sample rate.
      centred: whether a frame is centred on its first sample; otherwise on its middle.

    Returns:
      S // hop values in Hz; 0 where a frame is not voiced.

    Memory: some 4 transforms of a frame, each a power of two of at least 4 periods of the lowest pitch, for every frame
    at once; an hour of audio should be cut first.
    """
    samples = zero_padding(jnp.asarray(samples, jnp.float32), jnp.asarray(num_samples))
    window_size = round(PERIODS * sample_rate / low) // 2 * 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(window_size) + 0.5) / window_size)
    settings = STFT(fft_length=window_size, hop=hop)
    before = window_size // 2 - (0 if centred else hop // 2)
    frames = framed(samples, settings, before=before, num_frames=samples.shape[1] // hop)
    loud = jnp.max(jnp.abs(frames), -1) >= SILENT * jnp.max(jnp.abs(samples), -1, keepdims=True)
    frames = (frames - frames.mean(-1, keepdims=True)) * jnp.asarray(window, jnp.float32)

    # Lags from one below the shortest to one above the longest, between which a parabola finds the top.
    first, last = max(int(sample_rate / high), 2) - 1, int(sample_rate / low) + 1
    size = 1 << (window_size + last).bit_length()
    powers = over_first(lambda x: jnp.abs(jnp.fft.rfft(x, size)) ** 2, frames)
    correlation = over_first(lambda x: jnp.fft.irfft(x, size), powers)
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2, size)
    own = correlation[..., :1]
    lags = np.arange(first, last + 1)
    r = correlation[..., first : last + 1] / jnp.where(own > 0, own, 1)
    r = r * jnp.asarray(of_window[0] / of_window[lags], jnp.float32)

    # The tops of parabolas through the peaks: a sampled peak can be lower than that of a multiple of its lag.
    left, middle, right = r[..., :-2], r[..., 1:-1], r[..., 2:]
    top = (middle >= left) & (middle >= right) & (middle > 0)
    bend = left - 2 * middle + right
    offset = jnp.where(bend < 0, 0.5 * (left - right) / jnp.where(bend < 0, bend, -1), 0)
    height = jnp.where(top, middle - 0.25 * (left - right) * offset, 0)
    costs = OCTAVE_COST * np.log2(low * lags[1:-1] / sample_rate)
    best = jnp.argmax(height - jnp.asarray(costs, jnp.float32), -1)[..., None]
    offset, height = (jnp.take_along_axis(x, best, -1)[..., 0] for x in (offset, height))
    return jnp.where(loud & (height > VOICED), sample_rate / (best[..., 0] + (first + 1) + offset), 0)
