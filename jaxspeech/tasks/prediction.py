"""A recogniser's prediction for a batch: tokens, log-probabilities or both from one pass of the encoder."""

from typing import Any, NamedTuple

from jaxtyping import Float, Int

from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.types import Variables

# What times can be from, the most precise first: an alignment of the text by a model of its own, or by the model's CTC
# head; times that the decoder wrote into the text; the weights of its attention.
TIMINGS = ("aligner", "ctc", "tokens", "attention")


class Outputs(NamedTuple):
    """Which parts of a prediction are computed."""

    tokens: bool = True
    log_probs: bool = False
    encoded: bool = False


class Prediction(NamedTuple):
    """A recogniser's prediction for a batch, or for one of its rows.

    Attributes:
      tokens: the best hypothesis of each row, if asked for.
      log_probs, num_frames: of each row, if asked for.
      encoded: encoder frames and their number, if asked for.
      timing: where the frames of each row's tokens are from, a place in `TIMINGS`; None: from the search.
    """

    tokens: Tokens | None
    log_probs: Float[Any, "*B T W"] | None = None
    num_frames: Int[Any, "*B"] | None = None
    encoded: tuple[Float[Any, "*B T D"], Int[Any, "*B"]] | None = None
    timing: Int[Any, "*B"] | None = None


def predict(
    recognition: Recognition,
    variables: Variables,
    samples: Float[Any, "B S"],
    num_samples: Int[Any, " B"],
    *asked: Asked,
    tokens: bool,
    log_probs: bool,
    encoded: bool = False,
) -> Prediction:
    """Encodes and decodes padded recordings.

    Args:
      recognition: the model.
      variables: the model's variables.
      samples, num_samples: the recordings.
      asked: what is asked of a model with prompts; nothing for any other.
      tokens, log_probs, encoded: see `Outputs`.
    """
    frames, num_frames = recognition.encode(variables, samples, num_samples)
    found = Prediction(recognition.decode(variables, frames, num_frames, *asked) if tokens else None)
    if encoded:
        found = found._replace(encoded=(frames, num_frames))
    if not log_probs:
        return found
    assert recognition.log_probs is not None
    return found._replace(log_probs=recognition.log_probs(variables, frames), num_frames=num_frames)
