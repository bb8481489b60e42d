"""Finds when tokens were said from the weights with which a decoder attends to the encoder's frames.

z = (w - mean w) / std w               of each head and frame, over the tokens
scores = mean over heads, median over neighbouring frames of z
frames of a token = those of its steps on the cheapest warping path through -scores

A path gives all frames to some token, silence too: of its frames, a token keeps those from the first to the last in
which its weight is not small. Frames that several tokens have in common are divided evenly between them.

Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), and the code of Whisper.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.search.warping import warping_path

# Whisper takes the median over 7 frames of 20 ms. A window of longer frames has fewer: one alone if they take 80 ms.
MEDIAN_SECONDS = 0.14
# The share of a token's largest weight on the path below which a frame at its border is silence.
SMALL = 0.2


def median_frames(frame_seconds: float) -> int:
    """Returns the odd number of frames over which the median is taken."""
    return max(2 * round((MEDIAN_SECONDS / frame_seconds - 1) / 2) + 1, 1)


def token_scores(
    weights: Float[Array, "A N T"], num_tokens: Int[Any, ""], num_frames: Int[Any, ""], *, median: int = 1
) -> Float[Array, "N T"]:
    """Computes how well each token fits each frame.

    Args:
      weights: of each head.
      num_tokens, num_frames: those that are real, at least 1.
      median: odd number of frames over which the median is taken.
    """
    real = (jnp.arange(weights.shape[1]) < num_tokens)[None, :, None]
    mean = jnp.where(real, weights, 0).sum(1, keepdims=True) / num_tokens
    centred = jnp.where(real, weights - mean, 0)
    deviation = jnp.sqrt((centred**2).sum(1, keepdims=True) / num_tokens)
    scores = centred / jnp.maximum(deviation, 1e-8)
    if median > 1:
        near = jnp.arange(weights.shape[2])[:, None] + jnp.arange(median) - median // 2
        scores = jnp.median(scores[..., jnp.clip(near, 0, num_frames - 1)], axis=-1)
    return scores.mean(0)


def token_frames(
    scores: Float[np.ndarray, "N T"], weights: Float[np.ndarray, "N T"]
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Finds the frames of each token; those of one token begin where or after those of the token before it end.

    Args:
      scores: of `token_scores`, without padding.
      weights: their mean over the heads.

    Returns:
      Where each token begins and ends, in frames; with fractions where tokens share a frame.
    """
    rows, columns = warping_path(-scores)
    kept = []
    for token in range(len(scores)):
        own = columns[rows == token]
        loud = own[weights[token, own] >= SMALL * weights[token, own].max()]
        kept.append((loud[0], loud[-1]))
    first, last = np.array(kept).T  # along a path, neither gets smaller
    numbers, (starts, ends) = np.arange(len(scores)), np.array(kept, float).T
    for borders, frames, after in ((starts, first, 0), (ends, last, 1)):
        # The tokens that keep a frame are those from `lowest` to before `next_one`.
        lowest, next_one = np.searchsorted(last, frames), np.searchsorted(first, frames, side="right")
        borders += (numbers - lowest + after) / (next_one - lowest)
    return starts, ends
