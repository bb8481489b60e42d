"""The predictions of the hypotheses of a beam: computed when a token is added, and not moved after that.

A hypothesis has the place of its prediction among 2K places of its utterance. One that is extended by a blank keeps
that of its parent. A new token's prediction comes to a place that none of the K hypotheses before had: there are at
least K of these.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxspeech.search.needed_rows import for_needed, put_rows
from jaxspeech.search.transducer import Predict

# Of the rows, how many are computed at a time: a beam of 4 emits about one token in each iteration.
_SHARE = 4


class Predictions(NamedTuple):
    """The outputs of the prediction network in all N = B*2K places, and the leaves of its state, [N D] too.

    Of arrays with more axes, XLA's CPU compiler makes copies in another layout.
    """

    predicted: Float[Any, "N J"]
    state: Any


def first_predictions(predicted: Float[Any, "B J"], state: Any, beam_size: int) -> Predictions:
    """Returns the same prediction in every place of an utterance."""

    def fill(x: Array) -> Array:
        return jnp.repeat(x.reshape(x.shape[0], -1), 2 * beam_size, axis=0)

    return jax.tree.map(fill, Predictions(predicted, state))


def predicted_at(predictions: Predictions, places: Int[Array, "B K"]) -> Float[Array, "B K J"]:
    """Returns the outputs in some places."""
    return _of_utterances(predictions.predicted, places)[jnp.arange(places.shape[0])[:, None], places]


def unused(places: Int[Array, "B K"]) -> Int[Array, "B K"]:
    """Returns a place for each new prediction, with which no hypothesis before has its own."""
    beam_size = places.shape[1]
    free = (places[:, :, None] != jnp.arange(2 * beam_size)).all(1)
    return jax.lax.top_k(free.astype(jnp.float32), beam_size)[1]  # of integers, it would be a sort


def predict_emitting(
    predict: Predict,
    predictions: Predictions,
    like: Any,
    emits: Bool[Array, "B K"],
    symbols: Int[Array, "B K"],
    parents: Int[Array, "B K"],
    places: Int[Array, "B K"],
) -> Predictions:
    """Adds the predictions after new tokens.

    Args:
      predict: as in `transducer_greedy`.
      predictions: so far.
      like: a state of the prediction network, of any number of rows.
      emits: hypotheses with a new token.
      symbols: the tokens; others of hypotheses that do not emit may be any id.
      parents: places of the predictions before these tokens.
      places: `unused` ones for the new predictions.
    """
    utterance = jnp.arange(emits.shape[0])[:, None]

    def after(tokens: Int[Array, " M"], state: Any) -> Predictions:
        state = jax.tree.map(lambda x, one: x.reshape(x.shape[0], *one.shape[1:]), state, like)
        return jax.tree.map(lambda x: x.reshape(x.shape[0], -1), Predictions(*predict(tokens, state)))

    def of_some(rows: Any, needed: Bool[Array, " M"], predictions: Predictions) -> Predictions:
        first = 2 * places.shape[1] * utterance
        read, write, tokens = (x.reshape(-1)[rows] for x in (first + parents, first + places, symbols))
        return put_rows(needed, write, predictions, after(tokens, jax.tree.map(lambda x: x[read], predictions.state)))

    def of_all(predictions: Predictions) -> Predictions:
        """Reads and writes by utterance and place, so that the batch may be divided among devices."""

        def read(x: Array) -> Array:
            return _of_utterances(x, places)[utterance, parents].reshape(-1, x.shape[1])

        def write(old: Array, new: Array) -> Array:
            by_utterance = _of_utterances(old, places)
            place = jnp.where(emits, places, by_utterance.shape[1])  # beyond all: not written
            new = new.reshape(*places.shape, -1)
            return by_utterance.at[utterance, place].set(new, mode="drop", unique_indices=True).reshape(old.shape)

        new = after(symbols.reshape(-1), jax.tree.map(read, predictions.state))
        return jax.tree.map(write, predictions, new)

    return for_needed(emits.reshape(-1), predictions, some=of_some, all_rows=of_all, share=_SHARE)


def _of_utterances(x: Shaped[Array, "N D"], places: Int[Array, "B K"]) -> Shaped[Array, "B P D"]:
    return x.reshape(*places.shape[:1], 2 * places.shape[1], -1)
