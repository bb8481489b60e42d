"""What a search adds to its acoustic scores: language models and boosted phrases, each with a weight.

score(text) = log p(text | audio) + sum_i w_i log p_i(text)

A search holds one state for each hypothesis in its loop's carry, asks for the scores of the tokens that may follow, and
extends the states by the tokens that it chose. The arrays of the models are arguments of the compiled program, so other
models of the same shapes need no other program.

How they reach a search: the caller adds the collection `FUSION`, `Fused(...)._asdict()`, to the variables, which all
functions of a task take first. `decode(variables, encoded, num_frames)` and an incremental search's `start(variables,
batch_size)` and `step(variables, encoded, num_frames, state)` get their models by `fusion_of(variables, batch_size)`:
None if there are none, and then the program is as without them. The state of an incremental search begins with
`Fusion.state`, and it carries the states on.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.types import Size, Variables

FUSION = "fusion"


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


class Fusible(Protocol):
    """A model that a search can use, a pytree: `search.ngram.Ngram`, or any other with this method."""

    def fusion(self, weight: Float[Any, ""], starts: Int[Array, " B"]) -> Fusion:
        """Returns this model alone, with a weight.

        Args:
          weight: w_i.
          starts: what the model begins with in each row. Of n-grams the state of the empty text, and so in an arena of
            several lists of phrases the root of the row's own list; others take 0.
        """
        ...


class Mixture(NamedTuple):
    """Several models as one `Fusible`; a model with a negative weight is subtracted.

    Attributes:
      models: N of them.
      weights: of each model.
      firsts: the `starts` of each, the same for all rows.
    """

    models: tuple[Any, ...]
    weights: Float[Any, " N"]
    firsts: Int[Any, " N"]

    def fusion(self, weight: Float[Any, ""], starts: Int[Array, " B"]) -> Fusion:
        """Returns the weighted sum of the models, with a weight."""
        weights, firsts = weight * jnp.asarray(self.weights), jnp.asarray(self.firsts)
        rows = starts.shape
        return combine([m.fusion(weights[i], jnp.broadcast_to(firsts[i], rows)) for i, m in enumerate(self.models)])


class Fused(NamedTuple):
    """The models of a search.

    Attributes:
      models: N of them, see `Fusible`.
      weights: of each model.
      starts: see `Fusible.fusion`; one row stands for all of a batch.
    """

    models: tuple[Any, ...]
    weights: Float[Any, " N"]
    starts: Int[Any, "B N"]


def fusion_of(variables: Variables, batch_size: Size) -> Fusion | None:
    """Returns the models that the variables hold, for the rows of a batch; None if there are none."""
    found: Mapping[str, Any] | None = variables.get(FUSION)
    if found is None:
        return None
    fused = Fused(**found)
    weights, starts = jnp.asarray(fused.weights), jnp.asarray(fused.starts)
    starts = jnp.broadcast_to(starts, (batch_size, len(fused.models)))
    return combine([model.fusion(weights[i], starts[:, i]) for i, model in enumerate(fused.models)])


def check_vocabulary(fusion: Fusion, vocab_size: int) -> None:
    """Checks that the models have the tokens of a search.

    Raises:
      ConfigError: they have another number of tokens.
    """
    known = jax.eval_shape(fusion.scores, fusion.state).shape[-1]
    if known != vocab_size:
        raise ConfigError(
            f"a language model or phrase list of {known} tokens for a search over {vocab_size}: "
            "it belongs to another tokenizer"
        )


def combine(fusions: Sequence[Fusion]) -> Fusion:
    """Returns the sum of some models, whose state is a tuple of theirs."""

    def total(field: str, states: Any, *tokens: Any) -> Array:
        parts = [getattr(fusion, field)(state, *tokens) for fusion, state in zip(fusions, states, strict=True)]
        return reduce(jnp.add, parts)

    return Fusion(
        state=tuple(fusion.state for fusion in fusions),
        scores=partial(total, "scores"),
        candidates=partial(total, "candidates"),
        bound=partial(total, "bound"),
        extend=lambda states, tokens: tuple(
            fusion.extend(state, tokens) for fusion, state in zip(fusions, states, strict=True)
        ),
        end=partial(total, "end"),
        weight=reduce(jnp.add, [fusion.weight for fusion in fusions]),
    )
