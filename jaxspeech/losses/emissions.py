"""From a transducer's logits to the few log-probabilities that its lattice needs, and from their occupancies back.

The W logits of a node are those of the tokens (labels and blanks), and behind them, for TDT, those of D durations; each
part has a softmax of its own:

    log p(k) = logit_k - log sum_j exp(logit_j) - sigma [k is a token],   j over the part that k is in
    d loss / d logit_k = passing softmax(k) - occupancy(k)

where occupancy(k) is the share of all paths that take symbol k at this node, zero for all but the node's own label, the
blanks and the durations, and passing, its sum over the tokens, the share that comes by.

Memory: the kept log-probabilities and the normalisers, float32; the gradient is one fused pass over the logits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.losses.topology import Topology
from jaxspeech.masks import length_mask


class Emissions(NamedTuple):
    """What is kept of the logits of each node."""

    log_probs: Float[Array, "B T N C"]  # label, blanks, durations; -inf for a label that is no token
    normalizer: Float[Array, "B T N P"]  # log sum exp of the tokens' logits, and of the durations'


def next_labels(labels: Int[Array, "B U"], num_labels: Int[Array, " B"]) -> Int[Array, "B N"]:
    """The label that each place emits next; -1 where there is none, or none that could be."""
    real = jnp.where(length_mask(num_labels, labels.shape[1]), labels, -1)
    return jnp.pad(jnp.maximum(real, -1), ((0, 0), (0, 1)), constant_values=-1)


def emit(logits: Float[Array, "B T N W"], labels: Int[Array, "B N"], topology: Topology) -> Emissions:
    """Kept log-probabilities of every node; `labels` as from `next_labels`."""
    num_tokens = logits.shape[-1] - topology.num_durations
    durations = logits[..., num_tokens:].astype(jnp.float32)
    normalizer = _normalizer(logits, durations)

    possible = (labels >= 0) & (labels < num_tokens)
    index = jnp.where(possible, labels, 0)[:, None, :, None]
    label = jnp.take_along_axis(logits, index, axis=-1).astype(jnp.float32)
    label = jnp.where(possible[:, None, :, None], label, -jnp.inf)
    blanks = [logits[..., k : k + 1].astype(jnp.float32) for k in topology.blanks]
    tokens = jnp.concatenate([label, *blanks], axis=-1) - normalizer[..., :1] - topology.sigma
    return Emissions(jnp.concatenate([tokens, durations - normalizer[..., -1:]], axis=-1), normalizer)


def _normalizer(logits: Float[Array, "B T N W"], durations: Float[Array, "B T N D"]) -> Float[Array, "B T N P"]:
    logits = logits.astype(jnp.float32)
    if not durations.shape[-1]:
        return jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    # Barred by a sum, because a slice would be a copy of all logits.
    width = logits.shape[-1]
    barred = jnp.where(jnp.arange(width) < width - durations.shape[-1], 0.0, -jnp.inf)
    parts = logits + barred, durations
    return jnp.concatenate([jax.nn.logsumexp(x, axis=-1, keepdims=True) for x in parts], axis=-1)


def logits_gradient(
    logits: Float[Array, "B T N W"],
    normalizer: Float[Array, "B T N P"],
    occupancy: Float[Array, "B T N C"],
    labels: Int[Array, "B N"],
    topology: Topology,
    clamp: float,
) -> Float[Array, "B T N W"]:
    """Gradient of each row's loss, float32; where `clamp` is positive, within -clamp and clamp."""
    column = jnp.arange(logits.shape[-1])
    num_tokens = logits.shape[-1] - topology.num_durations
    level = normalizer[..., :1]
    if topology.num_durations:
        level = jnp.where(column < num_tokens, level, normalizer[..., 1:])
    # Comparing with every column, not adding to some, and no reduction: this way all of it is one fused pass.
    passing = sum((occupancy[..., i : i + 1] for i in range(1, topology.num_tokens_kept)), start=occupancy[..., :1])
    gradient = passing * jnp.exp(logits.astype(jnp.float32) - level)
    places = [labels[:, None, :, None], *topology.blanks, *range(num_tokens, logits.shape[-1])]
    for kept, place in enumerate(places):
        gradient -= jnp.where(column == place, occupancy[..., kept : kept + 1], 0)
    return jnp.clip(gradient, -clamp, clamp) if clamp > 0 else gradient
