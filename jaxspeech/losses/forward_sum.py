"""The forward-sum loss of an aligner: the probability of all monotonic paths of frames through a text.

p_t   = softmax([blank, a_t[1], .., a_t[N]])
loss  = -1 / N  log sum over paths of prod_t p_t(path_t),     every symbol in its order, blanks anywhere

so it is CTC with the text 1 .. N, divided by its length (Shih et al., "RAD-TTS", 2021; NeMo 3.0.0,
tts/losses/aligner_loss.py). It takes what `ctc_loss` takes: O(B T N) operations, one scan over the frames.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.masks import length_mask


@partial(jax.jit, static_argnames="blank_score")
def forward_sum_loss(
    scores: Float[Any, "B T N"],
    num_frames: Int[Any, " B"],
    num_symbols: Int[Any, " B"],
    *,
    blank_score: int | float = -1.0,
) -> Float[Array, " B"]:
    """Computes the loss of each row, in nats per symbol.

    Args:
      scores: of each symbol at each frame, such as an aligner's log-probabilities; padding may hold anything.
      num_frames, num_symbols: real frames and symbols of each row.
      blank_score: of a frame that belongs to no symbol; the softmax is taken together with it.

    Returns:
      Losses [B]; inf, with a zero gradient, where there are fewer frames than symbols, or no symbol. NeMo returns 0
      there.
    """
    scores, num_symbols = jnp.asarray(scores, jnp.float32), jnp.asarray(num_symbols)
    symbols = scores.shape[2]
    scores = jnp.where(length_mask(num_symbols, symbols)[:, None], scores, -jnp.inf)
    logits = jnp.pad(scores, ((0, 0), (0, 0), (1, 0)), constant_values=blank_score)
    text = jnp.broadcast_to(jnp.arange(1, symbols + 1), (scores.shape[0], symbols))
    losses = ctc_loss(logits, num_frames, text, num_symbols, blank_id=0)
    return jnp.where(num_symbols > 0, losses / jnp.maximum(num_symbols, 1), jnp.inf)
