"""A recogniser's prediction for a batch: tokens, log-probabilities or both from one pass of the encoder."""

from typing import Any, NamedTuple

from jaxtyping import Float, Int

from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.types import Variables


class Outputs(NamedTuple):
    """Which parts of a prediction are computed."""

    tokens: bool = True
    log_probs: bool = False


class Prediction(NamedTuple):
    """A recogniser's prediction for a batch, or for one of its rows.

    Attributes:
      tokens: the best hypothesis of each row, if asked for.
      log_probs, num_frames: of each row, if asked for.
    """

    tokens: Tokens | None
    log_probs: Float[Any, "*B T W"] | None = None
    num_frames: Int[Any, "*B"] | None = None


def predict(
    recognition: Recognition,
    variables: Variables,
    samples: Float[Any, "B S"],
    num_samples: Int[Any, " B"],
    *asked: Asked,
    tokens: bool,
    log_probs: bool,
) -> Prediction:
    """Encodes and decodes padded recordings.

    Args:
      recognition: the model.
      variables: the model's variables.
      samples, num_samples: the recordings.
      asked: what is asked of a model with prompts; nothing for any other.
      tokens, log_probs: see `Outputs`.
    """
    encoded, num_frames = recognition.encode(variables, samples, num_samples)
    found = recognition.decode(variables, encoded, num_frames, *asked) if tokens else None
    if not log_probs:
        return Prediction(found)
    assert recognition.log_probs is not None
    return Prediction(found, recognition.log_probs(variables, encoded), num_frames)
