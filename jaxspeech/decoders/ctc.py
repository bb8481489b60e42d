"""The CTC head: a projection from encoder frames to the tokens and the blank, which is last."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.decoders.languages import LanguageTokens, tokens_of


class CTCHead(nn.Module):
    """Computes logits of the V tokens and the blank (id V) for each encoder frame (Graves et al., 2006).

    Attributes:
      vocab_size: V.
      languages: each has a softmax over its share of the tokens; empty: all tokens share one (see `languages`).
      language: the one of them that is spoken.
    """

    vocab_size: int
    dtype: Any = jnp.float32
    languages: tuple[str, ...] = ()
    language: str | None = None

    @nn.compact
    def __call__(self, encoded: Float[Array, "B T D"]) -> Float[Array, "B T W"]:
        glorot = nn.initializers.glorot_uniform()
        logits = nn.Dense(self.vocab_size + 1, dtype=self.dtype, kernel_init=glorot, name="out")(encoded)
        tokens = None if self.is_initializing() else self.tokens
        return logits if tokens is None else tokens.alone(logits)

    @property
    def tokens(self) -> LanguageTokens | None:
        """The tokens of the chosen language; None if all tokens share one softmax."""
        return tokens_of(self.languages, self.language, vocab_size=self.vocab_size) if self.languages else None
