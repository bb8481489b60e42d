"""A second score of the hypotheses of a beam search, beside that of the attention decoder.

score = (1 - w) log p(text) by the decoder + w log p(text) by the other
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from jaxspeech.search.ctc_prefix import (
    ctc_frames,
    empty_prefixes,
    extend_prefixes,
    score_prefixes,
    select_prefixes,
)


class Joint(NamedTuple):
    """What scores hypotheses beside the decoder.

    Attributes:
      state: of the empty text of each row, as one hypothesis.
      score: (state, tokens [B K C]) -> the log-probability of all texts that begin with each hypothesis and a token
        [B K C]; for the token that ends texts, that of the text itself.
      select: (state, parents [B K]) -> the state of these hypotheses.
      extend: (state, tokens [B K]) -> the state with a token more in each hypothesis.
      weight: w, below 1.
      candidates: C, the tokens of each hypothesis that the decoder proposes. The end is always one of them.
    """

    state: Any
    score: Callable[[Any, Int[Array, "B K C"]], Float[Array, "B K C"]]
    select: Callable[[Any, Int[Array, "B K"]], Any]
    extend: Callable[[Any, Int[Array, "B K"]], Any]
    weight: float
    candidates: int


def ctc_joint(
    log_probs: Float[Array, "B T S"],
    num_frames: Int[Array, " B"],
    *,
    num_tokens: int,
    end_id: int,
    weight: float,
    candidates: int,
) -> Joint:
    """Returns the scores of a CTC head.

    Args:
      log_probs, num_frames: as in `ctc_frames`.
      num_tokens: W, the outputs of the decoder.
      end_id: the token that ends a text.
      weight, candidates: of `Joint`.
    """
    frames = ctc_frames(log_probs, num_frames, num_tokens=num_tokens)
    return Joint(
        state=empty_prefixes(frames),
        score=partial(score_prefixes, frames, end_id=end_id),
        select=select_prefixes,
        extend=partial(extend_prefixes, frames),
        weight=weight,
        candidates=min(candidates, num_tokens),
    )
