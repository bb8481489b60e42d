"""What a search adds to its acoustic scores: language models and boosted phrases, each with a weight.

score(text) = log p(text | audio) + sum_i w_i log p_i(text)

A search holds one state for each hypothesis in its loop's carry, asks for the scores of the tokens that may follow, and
extends the states by the tokens that it chose. The arrays of the models are arguments of the compiled program, so other
models of the same shapes need no other program.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int


class Fusion(NamedTuple):
    """The weighted sum of some models, for the hypotheses of a search. Closures over arrays: made inside `jax.jit`.

    Attributes:
      state: of the empty text of each row, B leading in every leaf. A search with K hypotheses repeats it to [B K ...],
        and selects among hypotheses by indexing every leaf.
      scores: states -> sum_i w_i log p_i(v | text) of all V tokens.
      candidates: (states, tokens) -> the same for some tokens, [*rows C], without the others where a model can do so.
      bound: states -> a score that no token's exceeds, and the smaller the better; inf where none is known. It tells a
        search which has asked for some candidates whether another token can be better (`search.shortlist`).
      extend: (states, tokens) -> the states of the texts with one more token.
      end: states -> sum_i w_i log p_i(the end | text); a model without ends, such as boosted phrases, adds 0.
      weight: sum_i w_i of the models that are probabilities; 0 if all are boosted phrases.
    """

    state: Any
    scores: Callable[[Any], Float[Array, "*rows V"]]
    candidates: Callable[[Any, Int[Array, "*rows C"]], Float[Array, "*rows C"]]
    bound: Callable[[Any], Float[Array, "*rows"]]
    extend: Callable[[Any, Int[Array, "*rows"]], Any]
    end: Callable[[Any], Float[Array, "*rows"]]
    weight: Float[Any, ""]
