"""A recogniser's prediction for a batch: tokens, log-probabilities or both from one pass of the encoder."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.types import Variables

# What times can be from, the most precise first: an alignment of the text by a model of its own, or by the model's CTC
# head; times that the decoder wrote into the text; the weights of its attention.
TIMINGS = ("aligner", "ctc", "tokens", "attention")


class Outputs(NamedTuple):
    """Which parts of a prediction are computed; `alternatives` is their number, 0 for none."""

    tokens: bool = True
    log_probs: bool = False
    encoded: bool = False
    alternatives: int = 0


class NBest(NamedTuple):
    """The best hypotheses of each row, the best first: M of them, perhaps fewer that exist (the others' score is -inf).

    Attributes:
      tokens: [B M ...]; their `score` is what they are ordered by.
      acoustic: score of the search.
      lm: log-probability by a language model that rescored them; None without one.
    """

    tokens: Tokens
    acoustic: Float[Any, "*B M"]
    lm: Float[Any, "*B M"] | None = None


class Prediction(NamedTuple):
    """A recogniser's prediction for a batch, or for one of its rows.

    Attributes:
      tokens: the best hypothesis of each row, if asked for.
      log_probs, num_frames: of each row, if asked for.
      encoded: encoder frames and their number, if asked for.
      timing: where the frames of each row's tokens are from, a place in `TIMINGS`; None: from the search.
      language: token of the language that was found in each row, if asked for; -1 where it was given.
      alternatives: the best hypotheses of each row, if asked for.
    """

    tokens: Tokens | None
    log_probs: Float[Any, "*B T W"] | None = None
    num_frames: Int[Any, "*B"] | None = None
    encoded: tuple[Float[Any, "*B T D"], Int[Any, "*B"]] | None = None
    timing: Int[Any, "*B"] | None = None
    language: Int[Any, "*B"] | None = None
    alternatives: NBest | None = None


def predict(
    recognition: Recognition,
    variables: Variables,
    samples: Float[Any, "B S"],
    num_samples: Int[Any, " B"],
    *asked: Asked,
    tokens: bool,
    log_probs: bool,
    encoded: bool = False,
    alternatives: int = 0,
) -> Prediction:
    """Encodes and decodes padded recordings.

    Args:
      recognition: the model.
      variables: the model's variables.
      samples, num_samples: the recordings.
      asked: what is asked of a model with prompts; nothing for any other.
      tokens, log_probs, encoded, alternatives: see `Outputs`.
    """
    frames, num_frames = recognition.encode(variables, samples, num_samples)
    prediction = Prediction(None, encoded=(frames, num_frames) if encoded else None)
    if asked and asked[0].languages is not None:
        assert recognition.prompts is not None and recognition.prompts.complete is not None
        complete, language = recognition.prompts.complete(variables, frames, num_frames, *asked)
        asked, prediction = (complete,), prediction._replace(language=language)
    if alternatives:
        assert recognition.decode_best is not None
        best = recognition.decode_best(variables, frames, num_frames, *asked, num_best=alternatives)
        stacked = jax.tree.map(lambda *of_ranks: jnp.stack(of_ranks, 1), *best)
        prediction = prediction._replace(tokens=best[0], alternatives=NBest(stacked, stacked.score))
    elif tokens:
        prediction = prediction._replace(tokens=recognition.decode(variables, frames, num_frames, *asked))
    if log_probs:
        assert recognition.log_probs is not None
        found = recognition.log_probs(variables, frames, *(() if recognition.attends else asked))
        prediction = prediction._replace(log_probs=found, num_frames=num_frames)
    return prediction
