"""Computes where an attention decoder looks when it predicts each token of a given text (search/attention_times.py).

The heads are those of the upper half of its layers, in which attention follows the speech.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.attention import AttentionDecoder
from jaxspeech.search.attention_times import median_frames, token_scores
from jaxspeech.tasks.kinds import Attention


class PromptedTexts(NamedTuple):
    """Texts after their prompts, as the decoder reads them.

    Attributes:
      ids: prompt and text.
      num_prompt: tokens of each prompt.
      num_tokens: tokens of each text.
    """

    ids: Int[Array, "B N"]
    num_prompt: Int[Array, " B"]
    num_tokens: Int[Array, " B"]


def attend_to_text(
    look: Callable[..., Float[Array, "B A N T"]],
    decoder: AttentionDecoder,
    encoded: Float[Any, "B T D"],
    num_frames: Int[Any, " B"],
    texts: PromptedTexts,
    *,
    frame_seconds: float,
) -> Attention:
    """Computes how well each token, and the end after the last, fits each frame.

    Args:
      look: the decoder's `cross_attention`.
      decoder: its sizes.
      encoded, num_frames: of the encoder.
      texts: what was found in each row.
      frame_seconds: of a frame.
    """
    layers, median = range(decoder.num_layers // 2, decoder.num_layers), median_frames(frame_seconds)

    def of_row(row: Any) -> Attention:
        encoded, num_frames, (ids, num_prompt, num_tokens) = row
        [weights] = look(encoded[None], num_frames[None], ids[None], layers=layers)
        # A token is predicted at the place before its own.
        places = num_prompt - 1 + jnp.arange(len(ids))
        weights = weights[:, jnp.minimum(places, len(ids) - 1)]
        return Attention(token_scores(weights, num_tokens + 1, num_frames, median=median), weights.mean(0))

    # One row after the other: the weights of all heads are the largest array.
    return jax.lax.map(of_row, (jnp.asarray(encoded), jnp.asarray(num_frames), texts))
