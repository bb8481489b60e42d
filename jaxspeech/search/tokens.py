"""The result of every search: emitted tokens with their frames and confidences, and the path's score."""

from typing import Any, NamedTuple

from jaxtyping import Float, Int, Num


class Tokens(NamedTuple):
    """One hypothesis per utterance; only the first `num_tokens[b]` entries of row b are real.

    Attributes:
      ids: token ids, never a blank.
      num_tokens: tokens emitted for each utterance.
      starts: first encoder frame of each token.
      ends: encoder frame after each token's last one (exclusive). Both have fractions where tokens share a frame, as
        those of an attention decoder may (`inference.timed_programs`).
      confidence: the model's confidence in each token, 0 to 1.
      score: log-probability of the chosen path.
    """

    ids: Int[Any, "B N"]
    num_tokens: Int[Any, " B"]
    starts: Num[Any, "B N"]
    ends: Num[Any, "B N"]
    confidence: Float[Any, "B N"]
    score: Float[Any, " B"]
