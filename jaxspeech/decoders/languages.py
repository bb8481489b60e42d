"""Heads with a softmax for each language, of which one is chosen (AI4Bharat's IndicConformer).

The V tokens are those of n languages, V / n each, one language after the other. For the chosen language

    log p(y) = log_softmax over its V / n tokens and the blank;    every other token has the probability 0

Ids count all V tokens, so that tokenizers, timestamps and alignments know no difference.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean


class LanguageTokens(NamedTuple):
    """The tokens of one language: `count` ids from `first` on."""

    first: int
    count: int

    def local(self, ids: Int[Any, "..."], *, otherwise: int) -> Int[Array, "..."]:
        """Counts ids from this language's first token; any other id becomes `otherwise`."""
        ids = jnp.asarray(ids)
        return jnp.where(self.contains(ids), ids - self.first, otherwise)

    def contains(self, ids: Int[Any, "..."]) -> Bool[Array, "..."]:
        """Returns which ids are of this language."""
        ids = jnp.asarray(ids)
        return (ids >= self.first) & (ids < self.first + self.count)

    def among(self, logits: Float[Array, "... W"], vocab_size: int) -> Float[Array, "... V"]:
        """Puts the logits of these tokens and the blank in their place among all; the others are excluded."""
        around = (self.first, vocab_size - self.first - self.count)
        padding = [(0, 0)] * (logits.ndim - 1) + [around]
        tokens = jnp.pad(logits[..., :-1], padding, constant_values=excluded(logits.dtype))
        return jnp.concatenate([tokens, logits[..., -1:]], axis=-1)

    def alone(self, logits: Float[Array, "... V"]) -> Float[Array, "... V"]:
        """Excludes the tokens of all other languages from logits of all tokens and the blank."""
        ids = jnp.arange(logits.shape[-1])
        kept = self.contains(ids) | (ids == logits.shape[-1] - 1)
        return jnp.where(kept, logits, jnp.asarray(excluded(logits.dtype), logits.dtype))


def excluded(dtype: Any) -> float:
    """The logit of an excluded token: its probability is exactly 0, and no sum of a few such logits is infinite."""
    return float(jnp.finfo(dtype).min) / 64


def tokens_of(languages: tuple[str, ...], language: str | None, *, vocab_size: int) -> LanguageTokens:
    """Returns the tokens of the chosen language.

    Raises:
      ConfigError: no language was chosen, it is unknown, or the tokens cannot be split equally.
    """
    if vocab_size % len(languages):
        raise ConfigError(f"{vocab_size} tokens cannot be split equally among {len(languages)} languages")
    count = vocab_size // len(languages)
    if language is None:
        raise ConfigError(
            f'choose the language of the speech, for example language="{languages[0]}": this model has '
            f"one softmax for each of {', '.join(languages)}"
        )
    if language not in languages:
        raise ConfigError(f"language {language!r}{did_you_mean(language, languages)}")
    return LanguageTokens(languages.index(language) * count, count)
