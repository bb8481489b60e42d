"""A neural language model in a search: any model that takes one token after another.

score(v | text) = w log softmax(logits(text))_v

A state holds the model's own and log p of the next token, so a search that asks for scores runs nothing: the network
runs once for each token that it adds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.search.fusion import Fusion
from jaxspeech.types import Size

# The state after a token, and log p of the token after it.
State = tuple[Any, Float[Array, "*rows W"]]


@dataclass(frozen=True)
class Functions:
    """What runs a model, in the form of `tasks.kinds.Generation`. Compiled programs belong to it.

    Attributes:
      key: describes the model completely, for example its configuration as JSON. Functions with equal keys are taken
        for equal, in other processes too: compiled programs are kept under it.
      start: (variables, number of rows) -> state before the first token, with a leading axis of rows in every leaf.
      step: (variables, token ids [B], state) -> (logits of the next token [B W], state).
    """

    key: str
    start: Callable[[Any, Size], Any] = field(compare=False, repr=False)
    step: Callable[[Any, Int[Array, " B"], Any], tuple[Float[Array, "B W"], Any]] = field(compare=False, repr=False)


@partial(jax.tree_util.register_dataclass, data_fields=["variables"], meta_fields=["functions", "start_id", "has_end"])
@dataclass(frozen=True)
class NeuralModel:
    """A model as `search.fusion.Fusible`: its arrays are an argument of compiled programs.

    Attributes:
      variables: of the model.
      functions: that run it.
      start_id: the token that stands before a text.
      has_end: whether the last of the logits is that of the end; the others are the V tokens'.
    """

    variables: Any
    functions: Functions
    start_id: int
    has_end: bool = True

    def fusion(self, weight: Float[Any, ""], starts: Int[Array, " B"]) -> Fusion:
        """Returns this model with a weight; every text starts the same."""
        rows = starts.shape[0]
        first = jnp.full(rows, self.start_id, jnp.int32)
        weight = jnp.asarray(weight)

        def tokens_of(state: State) -> Float[Array, "*rows V"]:
            return weight * (state[1][..., :-1] if self.has_end else state[1])

        def candidates(state: State, tokens: Int[Array, "*rows C"]) -> Float[Array, "*rows C"]:
            return weight * jnp.take_along_axis(state[1], tokens, axis=-1)

        def end(state: State) -> Float[Array, "*rows"]:
            return weight * state[1][..., -1] if self.has_end else jnp.zeros(state[1].shape[:-1])

        return Fusion(
            state=self._next(first, self.functions.start(self.variables, rows)),
            scores=tokens_of,
            candidates=candidates,
            bound=lambda state: tokens_of(state).max(-1),
            extend=lambda state, tokens: self._next(tokens, state[0]),
            end=end,
            weight=weight,
        )

    def _next(self, tokens: Int[Array, "*rows"], state: Any) -> State:
        """Runs the model on one more token of each of the rows, which may have several axes."""
        rows = tokens.shape
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[len(rows) :]), state)
        logits, flat = self.functions.step(self.variables, tokens.reshape(-1), flat)
        log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
        return jax.tree.map(lambda x: x.reshape(*rows, *x.shape[1:]), (flat, log_probs))
