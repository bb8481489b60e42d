"""A model that writes one token after another."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from jaxspeech.types import Variables


class Generation(NamedTuple):
    """One token after another: language models, attention decoders, speech language models.

    Attributes:
      start: (variables, input that the tokens are conditioned on) -> state before the first token.
      step: (variables, token ids [B], state) -> (logits of the next token [B V], state).
    """

    start: Callable[[Variables, Any], Any]
    step: Callable[[Variables, Int[Any, " B"], Any], tuple[Float[Array, "B V"], Any]]
