"""Computes the features of overlapping windows of a recording, one frame apart, each window a clip of its own.

Frame t of window i is frame i + t of the recording, where its Fourier transform is inside the window. Only the frames
at the ends of a window, which see its borders, are computed for each window.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.features.framing import framing
from jaxspeech.features.mfcc import MFCC
from jaxspeech.types import Size


class SharedFrames(NamedTuple):
    """The frames of a window that are frames of the recording: from `first` to `last`.

    Attributes:
      size: samples of a window.
      count: frames of a window.
      head: samples at the start of a window on which the frames before `first` depend.
      tail: of the frames after `last`, the sample from which on their clip begins.
    """

    first: int
    last: int
    size: int
    count: int
    head: int
    tail: int


def shared_frames(frontend: Any, size: int) -> SharedFrames | None:
    """Finds the frames that windows of `size` samples share; None if a frame depends on more than what is near it."""
    if isinstance(frontend, MFCC):
        near = frontend.log
    else:
        near = frontend.normalize == "none" and frontend.frame_splicing == 1 and not frontend.exact_pad
    if not near:
        return None
    names = ("sample_rate", "window_seconds", "hop_seconds", "fft_size")
    _, hop, fft = framing(**{name: getattr(frontend, name) for name in names})
    half = fft // 2
    first, last = -(-(half + 1) // hop), (size - half) // hop  # a sample more, for the pre-emphasis
    if last < 2 * first:
        return None
    count = -(-size // hop) if isinstance(frontend, MFCC) else size // hop
    return SharedFrames(first, last, size, count, head=(first - 1) * hop + half + 1, tail=(last + 1 - first) * hop)


def window_features(
    frontend: Any, shared: SharedFrames, samples: Float[Array, " S"], *, count: Size, hop: Size
) -> Float[Array, "N T F"]:
    """Computes the features of the windows that begin at the samples 0, hop, 2 hop, ...

    Args:
      frontend: a bound module.
      shared: see `shared_frames`.
      samples: of all windows.
      count: N, the number of windows.
      hop: samples from one frame to the next.
    """

    def clips(start: int, length: int) -> Float[Array, "N T F"]:
        starts = start + jnp.arange(count) * hop
        rows = jax.vmap(partial(jax.lax.dynamic_slice_in_dim, samples, slice_size=length))(starts)
        return frontend(rows, jnp.full(count, length))[0]

    whole, _ = frontend(samples[None], jnp.array([samples.shape[0]]))
    inner = jax.vmap(partial(jax.lax.dynamic_slice_in_dim, whole[0], slice_size=shared.last + 1 - shared.first))
    head, tail = clips(0, shared.head), clips(shared.tail, shared.size - shared.tail)
    after = tail[:, shared.first : shared.first + shared.count - shared.last - 1]
    parts = [head[:, : shared.first], inner(shared.first + jnp.arange(count)), after]
    return jnp.concatenate(parts, 1)
