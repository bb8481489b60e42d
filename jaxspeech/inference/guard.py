"""Decodes a text again, with tokens that are drawn, where it repeats itself or is improbable.

a text fails    it ends in a loop (search/loops.py); zlib makes it more than 2.4 times as small; or the mean
                log-probability of its tokens is below -1
again           drawn at the temperatures 0.2, 0.4, ... 1.0, until a text passes; if none does, the most probable one
                without repetitions is taken, and if all repeat themselves, the first, its loop cut to one repetition

An empty text that the search gives passes: nothing was said. Source: the thresholds of Radford et al., "Robust Speech
Recognition via Large-Scale Weak Supervision" (2022).
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.search.loops import LEAST, without_loop
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.tokenizer import Tokenizer

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
MOST_COMPRESSION, LEAST_LOG_PROB = 2.4, -1.0
# Of an n-gram at the end of a text, after its first occurrence.
MOST_REPEATS = 3
REPEATS, IMPROBABLE = "repeated itself", "was improbable"

# (numbers of parts, temperature) -> their predictions, drawn
Again = Callable[[Sequence[int], float], Mapping[int, Prediction]]


class Attempt(NamedTuple):
    """One text of a part.

    Attributes:
      prediction: with the loop at the end cut to one repetition.
      temperature: at which it was drawn; 0 for the search that is configured.
      fault: why it fails; "" if it passes.
      log_prob: the mean of its tokens, or that of the end of an empty text.
    """

    prediction: Prediction
    temperature: float
    fault: str
    log_prob: float

    @property
    def rank(self) -> tuple[bool, float]:
        return self.fault != REPEATS, self.log_prob


class Guarded(NamedTuple):
    """The text that was chosen, and how, for the note: "" for a first text that passed."""

    prediction: Prediction
    how: str


def guarded(found: Mapping[int, Prediction], again: Again, tokenizer: Tokenizer) -> dict[int, Guarded]:
    """Returns the text of each part, decoded again if it must be.

    Args:
      found: the first prediction of each part, one row on the host.
      again: predicts parts again.
      tokenizer: the model's tokenizer.
    """
    attempts = {i: [attempt(prediction, 0.0, tokenizer)] for i, prediction in found.items()}
    for temperature in TEMPERATURES:
        failing = [i for i, tried in attempts.items() if tried[-1].fault]
        if not failing:
            break
        for i, prediction in again(failing, temperature).items():
            attempts[i].append(attempt(prediction, temperature, tokenizer))
    return {i: _chosen(tried) for i, tried in attempts.items()}


def attempt(prediction: Prediction, temperature: float, tokenizer: Tokenizer) -> Attempt:
    """Looks at a text, and cuts a loop at its end to one repetition.

    Args:
      prediction: one row on the host.
      temperature: at which it was drawn; 0 for the search that is configured.
      tokenizer: the model's tokenizer.
    """
    tokens: Any = prediction.tokens
    ids, confidence = (x[: int(tokens.num_tokens)] for x in (tokens.ids, tokens.confidence))
    text = tokenizer.decode(ids.tolist()).encode()
    squeezed = len(text) > MOST_COMPRESSION * len(zlib.compress(text))
    # In a text that zlib finds repetitive, a few repetitions at the end are a loop.
    kept = without_loop(ids, most_repeats=MOST_REPEATS, least=1 if squeezed else LEAST)
    fault = REPEATS if squeezed or kept < len(ids) else ""
    # Of the decoder's tokens, as the score may be a joint one; an empty text has its end alone.
    log_probs = np.log(np.maximum(confidence[:kept], 1e-30))
    log_prob = float(log_probs.mean() if kept else tokens.score)
    if kept < len(ids):
        tokens = tokens._replace(num_tokens=np.int32(kept), score=np.float32(log_probs.sum()))
    if not fault and (kept or temperature) and log_prob < LEAST_LOG_PROB:
        fault = IMPROBABLE
    return Attempt(prediction._replace(tokens=tokens), temperature, fault, log_prob)


def _chosen(tried: Sequence[Attempt]) -> Guarded:
    first, last = tried[0], tried[-1]
    if not last.fault:
        how = f"again at temperature {last.temperature:g}, as the first text {first.fault}" if len(tried) > 1 else ""
        return Guarded(_completed(last.prediction, first.prediction), how)
    best = max(tried, key=lambda one: one.rank) if any(x.fault != REPEATS for x in tried) else first
    return Guarded(_completed(best.prediction, first.prediction), f"as the best of {len(tried)} texts; it {best.fault}")


def _completed(prediction: Prediction, first: Prediction) -> Prediction:
    """Returns a prediction with what only the first one has: log-probabilities do not depend on the text."""
    return first._replace(**{name: value for name, value in prediction._asdict().items() if value is not None})
