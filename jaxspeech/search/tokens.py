"""What every search returns: emitted tokens with their frames, confidences and the path's score."""

from typing import Any, NamedTuple

from jaxtyping import Float, Int


class Tokens(NamedTuple):
    """The best hypothesis of each utterance; only the first `num_tokens[b]` of row b are real.

    Attributes:
      ids: token ids, never a blank.
      num_tokens: tokens emitted for each utterance.
      starts: encoder frame in which each token begins.
      ends: encoder frame after the token's last one (exclusive).
      confidence: how sure the model was of each token, 0 to 1.
      score: log-probability of the chosen path.
    """

    ids: Int[Any, "B N"]
    num_tokens: Int[Any, " B"]
    starts: Int[Any, "B N"]
    ends: Int[Any, "B N"]
    confidence: Float[Any, "B N"]
    score: Float[Any, " B"]
