"""Cuts waveforms into chunks that an encoder sees one by one, each as a recording of its own.

chunk k of n samples = [k C, (k + 1) C)        the last one is longer if less than a frame or so would be left

The frames of all chunks together are not those of the whole: nothing is seen across a cut, features are normalised
within a chunk, and each chunk's number of frames is rounded up. Source: NeMo's `encoder_chunk_size_seconds`
(speechlm2/parts/encoder_chunking.py).
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def audio_chunks(
    samples: Float[Any, "R S"], num_samples: Int[Any, " R"], *, size: int, least: int
) -> tuple[Float[Array, "R K W"], Int[Array, "R K"]]:
    """Returns K chunks of each row, and their numbers of samples, 0 where a row has fewer chunks.

    Args:
      samples: waveforms; padding may hold anything, and is part of the chunks' padding.
      num_samples: real samples of each row.
      size: C, samples of a chunk, at least `least`.
      least: a last chunk of fewer samples is part of the one before it.
    """
    samples, num_samples = jnp.asarray(samples), jnp.asarray(num_samples)
    most = samples.shape[1]
    chunks = max(1, -(-most // size))
    begin = jnp.arange(chunks) * size
    left = num_samples[:, None] - begin
    joined = (left > size) & (left < size + least)  # with what follows
    count = jnp.where(joined, left, jnp.clip(left, 0, size))
    count = jnp.where((left < least) & (begin > 0), 0, count)
    width = size + least - 1
    padded = jnp.pad(samples, ((0, 0), (0, (chunks - 1) * size + width - most)))
    return jnp.stack([padded[:, k * size : k * size + width] for k in range(chunks)], axis=1), count
