"""Extracts from a transducer's logits the emission log-probabilities of its lattice, and computes their gradient.

The W logits of a node are those of the tokens (labels and blanks) and, for TDT, those of D durations after them. Each
of these two parts has its own softmax:

    log p(k) = logit_k - log sum_j exp(logit_j) - sigma [k is a token],   j over the part that contains k
    d loss / d logit_k = passing softmax(k) - occupancy(k)

where occupancy(k) is the posterior probability of emitting symbol k at this node, which is zero except for the node's
next label, the blanks and the durations; and passing, its sum over the tokens, is the posterior of visiting the node.

In a hybrid autoregressive transducer (HAT), the blank is drawn first, and a label only if it is not the blank:

    log p(blank) = log sigmoid(logit_blank) - sigma
    log p(k)     = log sigmoid(-logit_blank) + logit_k - log sum_j exp(logit_j) - sigma,   j over the labels
    d loss / d logit_blank = passing sigmoid(logit_blank) - occupancy(blank)
    d loss / d logit_k     = occupancy(label) softmax(k) - occupancy(k)

so that the softmax of the labels is a language model (Variani et al., "Hybrid Autoregressive Transducer (HAT)", 2020).

Memory: the emission log-probabilities and the normalisers, in float32; the gradient is one fused pass over the logits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.losses.topology import Topology
from jaxspeech.masks import length_mask


class Emissions(NamedTuple):
    """The log-probabilities and normalisers that are kept of each node's logits."""

    log_probs: Float[Array, "B T N C"]  # next label, blanks, durations; -inf for a label that is not a token
    # log sum exp of the tokens' logits; or, for HAT, of the labels', and log(1 + exp(logit of the blank)). For TDT then
    # also of the durations'.
    normalizer: Float[Array, "B T N P"]


def next_labels(labels: Int[Array, "B U"], num_labels: Int[Array, " B"]) -> Int[Array, "B N"]:
    """Returns the next label after each number of labels; -1 if there is none, or an invalid one."""
    real = jnp.where(length_mask(num_labels, labels.shape[1]), labels, -1)
    return jnp.pad(jnp.maximum(real, -1), ((0, 0), (0, 1)), constant_values=-1)


def emit(logits: Float[Array, "B T N W"], labels: Int[Array, "B N"], topology: Topology) -> Emissions:
    """Computes the emissions of every node; `labels` are those of `next_labels`."""
    num_tokens = logits.shape[-1] - topology.num_durations
    durations = logits[..., num_tokens:].astype(jnp.float32)
    normalizer = _normalizer(logits, durations, topology)

    possible = (labels >= 0) & (labels < num_tokens)
    if topology.factored:
        possible &= labels != topology.blanks[0]
    index = jnp.where(possible, labels, 0)[:, None, :, None]
    label = jnp.take_along_axis(logits, index, axis=-1).astype(jnp.float32)
    label = jnp.where(possible[:, None, :, None], label, -jnp.inf)
    blanks = [logits[..., k : k + 1].astype(jnp.float32) for k in topology.blanks]
    level = normalizer[..., :1]
    if topology.factored:
        level = jnp.concatenate([normalizer[..., :2].sum(-1, keepdims=True), normalizer[..., 1:2]], axis=-1)
    tokens = jnp.concatenate([label, *blanks], axis=-1) - level - topology.sigma
    return Emissions(jnp.concatenate([tokens, durations - normalizer[..., -1:]], axis=-1), normalizer)


def _normalizer(
    logits: Float[Array, "B T N W"], durations: Float[Array, "B T N D"], topology: Topology
) -> Float[Array, "B T N P"]:
    logits = logits.astype(jnp.float32)
    column, tokens = jnp.arange(logits.shape[-1]), logits
    # What does not count is excluded by adding -inf, because slicing would copy all logits.
    if durations.shape[-1]:
        tokens = tokens + jnp.where(column < len(column) - durations.shape[-1], 0.0, -jnp.inf)
    if topology.factored:
        tokens = tokens + jnp.where(column == topology.blanks[0], -jnp.inf, 0.0)
    parts = [jax.nn.logsumexp(tokens, axis=-1, keepdims=True)]
    if topology.factored:
        parts.append(jax.nn.softplus(logits[..., topology.blanks[0], None]))
    if durations.shape[-1]:
        parts.append(jax.nn.logsumexp(durations, axis=-1, keepdims=True))
    return jnp.concatenate(parts, axis=-1)


def logits_gradient(
    logits: Float[Array, "B T N W"],
    normalizer: Float[Array, "B T N P"],
    occupancy: Float[Array, "B T N C"],
    labels: Int[Array, "B N"],
    topology: Topology,
    clamp: float,
) -> Float[Array, "B T N W"]:
    """Computes the gradient of each row's loss in float32, clipped to [-clamp, clamp] if `clamp` is positive."""
    column = jnp.arange(logits.shape[-1])
    num_tokens = logits.shape[-1] - topology.num_durations
    level = normalizer[..., :1]
    if topology.num_durations:
        level = jnp.where(column < num_tokens, level, normalizer[..., -1:])
    # Comparing with every column instead of a scatter, and no reductions: XLA fuses all of this into one pass.
    passing = sum((occupancy[..., i : i + 1] for i in range(1, topology.num_tokens_kept)), start=occupancy[..., :1])
    if topology.factored:
        is_blank = column == topology.blanks[0]
        level = jnp.where(is_blank, normalizer[..., 1:2], level)
        passing = jnp.where(is_blank | (column >= num_tokens), passing, occupancy[..., :1])
    gradient = passing * jnp.exp(logits.astype(jnp.float32) - level)
    places = [labels[:, None, :, None], *topology.blanks, *range(num_tokens, logits.shape[-1])]
    for kept, place in enumerate(places):
        gradient -= jnp.where(column == place, occupancy[..., kept : kept + 1], 0)
    return jnp.clip(gradient, -clamp, clamp) if clamp > 0 else gradient
