"""Transforms a live signal, and back: a few hops of samples in, as many frames out, and as many hops out again.

The frames are those of `stft`, a few steps later; and the samples, `delay` later, those of `istft`. Whatever is kept
from one call to the next is in the states.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.features.stft import (
    STFT,
    compressed,
    framed,
    spectra_of,
    sums_of_squares,
    window_of,
    windowed_frames,
)
from jaxspeech.overlap import overlap_add


class AnalysisState(NamedTuple):
    """What the next frames need of the past.

    Attributes:
      samples: [... delay], the last ones.
      frame: number of the next frame. The first `lead_in` frames lie before the signal and have numbers below 0.
    """

    samples: Float[Array, "..."]
    frame: Int[Array, ""]


class SynthesisState(NamedTuple):
    """What the next samples need of the past: sums over the frames so far.

    Attributes:
      samples: [... M], windowed frames.
      squares: [M], squared windows.
      frame: number of the next frame.
    """

    samples: Float[Array, "..."]
    squares: Float[Array, " M"]
    frame: Int[Array, ""]


def lead_in(settings: STFT) -> int:
    """Number of frames that come out before frame 0: as many hops as pass until frame 0 is complete, but one."""
    return -(-(settings.fft_length - settings.offset) // settings.hop) - 1


def delay(settings: STFT) -> int:
    """Number of samples that come out before sample 0. Feed as many zeros after the last sample to get all back."""
    return settings.offset + lead_in(settings) * settings.hop


def analysis_start(shape: tuple[int, ...], settings: STFT) -> AnalysisState:
    """The state before the first sample; `shape` is that of the samples but for their last axis: (B,) or (B, C)."""
    return AnalysisState(jnp.zeros((*shape, delay(settings))), jnp.asarray(-lead_in(settings), jnp.int32))


def analyse(
    samples: Float[Array, "..."], state: AnalysisState, settings: STFT
) -> tuple[Complex[Array, "..."], AnalysisState]:
    """Transforms the next samples.

    Args:
      samples: [... K hop].
      state: that of the call before, or `analysis_start`.
      settings: those of the transform.

    Returns:
      Spectra [... K F] of the frames state.frame, state.frame + 1, ...; those with numbers below 0 are zero.
    """
    window = window_of(settings)
    num_frames = samples.shape[-1] // settings.hop
    known = jnp.concatenate([state.samples, samples.astype(state.samples.dtype)], axis=-1)
    spectra = compressed(spectra_of(framed(known, settings, before=0, num_frames=num_frames), window), settings)
    counted = state.frame + jnp.arange(num_frames) >= 0
    kept = known[..., known.shape[-1] - state.samples.shape[-1] :]
    return jnp.where(counted[:, None], spectra, 0), AnalysisState(kept, state.frame + num_frames)


def synthesis_start(shape: tuple[int, ...], settings: STFT) -> SynthesisState:
    """The state before the first frame; `shape` is that of the spectra but for frames and bins: (B,) or (B, C)."""
    size = settings.fft_length
    return SynthesisState(jnp.zeros((*shape, size)), jnp.zeros(size), jnp.asarray(-lead_in(settings), jnp.int32))


def synthesise(
    spectra: Complex[Array, "..."],
    state: SynthesisState,
    settings: STFT,
    *,
    num_frames: Int[Array, ""] | int | None = None,
) -> tuple[Float[Array, "..."], SynthesisState]:
    """Returns the samples that no later frame reaches, [... K hop] of them.

    Args:
      spectra: [... K F], the next frames.
      state: that of the call before, or `synthesis_start`.
      settings: those of the transform.
      num_frames: number of frames of the whole signal, settings.num_frames(num_samples), once its end is known: later
        frames are ignored, as `istft` does.
    """
    window = window_of(settings)
    hop, size = settings.hop, settings.fft_length
    new = spectra.shape[-2]
    numbers = state.frame + jnp.arange(new)
    counted = (numbers >= 0) if num_frames is None else (numbers >= 0) & (numbers < num_frames)
    pieces, squares = windowed_frames(jnp.where(counted[:, None], spectra, 0), counted[:, None], window, settings)

    def added(before: Array, frames: Array) -> tuple[Array, Array]:
        summed = overlap_add(frames, hop)
        summed = summed.at[..., :size].add(before)
        left = summed[..., new * hop :]
        return summed[..., : new * hop], jnp.pad(left, [(0, 0)] * (left.ndim - 1) + [(0, size)])[..., :size]

    samples, rest = added(state.samples, pieces)
    weights, weights_rest = added(state.squares, squares)
    return samples / sums_of_squares(weights), SynthesisState(rest, weights_rest, state.frame + new)
