"""Confidence of a model in a frame, and in a token or word of several frames.

With p the distribution over W symbols and H_max the entropy of the uniform distribution, a frame's confidence is 1 for
certainty and 0 for the uniform distribution:

    max_prob   (max p^a - W^-a) / (1 - W^-a)
    entropy    1 - H / H_max                                    normalize="lin"
               (e^-H - e^-H_max) / (1 - e^-H_max)               normalize="exp"
    gibbs      H = -sum p^a ln p          (times a in the exponential form)
    tsallis    H = (1 - sum p^a) / (a - 1)
    renyi      H = ln(sum p^a) / (1 - a)

At a = 1 all three entropies are Shannon's. Source: Laptev and Ginsburg, "Fast Entropy-Based Methods of Word-Level
Confidence Estimation" (SLT 2022).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, SupportsIndex

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Measure = Literal["max_prob", "gibbs", "tsallis", "renyi"]
Aggregation = Literal["mean", "min", "max", "prod"]

_REDUCE = {"mean": np.mean, "min": np.min, "max": np.max, "prod": np.prod}


def frame_confidence(
    log_probs: Float[Any, "*batch W"],
    *,
    measure: Measure = "tsallis",
    alpha: float = 0.33,
    normalize: Literal["lin", "exp"] = "exp",
) -> Float[Array, "*batch"]:
    """Computes the confidence of each frame, 0 to 1, in float32. The defaults are NeMo's.

    Args:
      log_probs: log-probabilities, blank included; -inf is allowed.
      measure: the largest probability, or one of three entropies.
      alpha: the exponent a above; below 1 it increases small probabilities, and with them the entropy.
      normalize: how an entropy is converted to a confidence; max_prob does not use it.
    """
    log_probs = jnp.asarray(log_probs).astype(jnp.float32)
    log_size = math.log(log_probs.shape[-1])
    if measure == "max_prob":
        floor = math.exp(-alpha * log_size)
        return jnp.clip((jnp.exp(alpha * log_probs.max(-1)) - floor) / (1 - floor), 0.0, 1.0)

    powers = jnp.exp(alpha * log_probs)
    if measure == "gibbs" or alpha == 1:
        weighted = jnp.where(powers > 0, powers * log_probs, 0)  # 0 ln 0 = 0
        rate = alpha if normalize == "exp" else 1
        entropy = -rate * weighted.sum(-1)
        highest = rate * log_size * math.exp((1 - alpha) * log_size)
    elif measure == "tsallis":
        entropy = (powers.sum(-1) - 1) / (1 - alpha)
        highest = math.expm1((1 - alpha) * log_size) / (1 - alpha)
    else:
        entropy = jnp.log(powers.sum(-1)) / (1 - alpha)
        highest = log_size
    if normalize == "lin":
        sure = 1 - entropy / highest
    else:
        sure = (jnp.exp(-entropy) - math.exp(-highest)) / (1 - math.exp(-highest))
    return jnp.clip(sure, 0.0, 1.0)  # rounding; and for a > 1 the uniform distribution does not maximise Gibbs' entropy


def aggregate(
    values: Sequence[float] | Float[Any, " N"],
    spans: Iterable[tuple[SupportsIndex, SupportsIndex]],
    *,
    how: Aggregation = "min",
) -> list[float]:
    """Aggregates `values` to one confidence for each span (first, stop), stop exclusive.

    The spans `zip(tokens.starts[b], tokens.ends[b])` aggregate frames to tokens; a tokenizer's word spans aggregate
    tokens to words.
    """
    values = np.asarray(values, np.float64)
    return [float(_REDUCE[how](values[first:stop])) for first, stop in spans]
