"""The loss over all paths of a lattice, with its gradient from occupancies: from logits or from a joint network."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.losses.emissions import Emissions, emit, logits_gradient
from jaxspeech.losses.joint import JointArrays, JointOptions, joint_emissions, joint_gradients
from jaxspeech.losses.lattice import log_total, node_mask, occupancies
from jaxspeech.losses.topology import Topology


class Settings(NamedTuple):
    """The options of both losses."""

    topology: Topology
    fastemit: float
    clamp: float


class Transcripts(NamedTuple):
    """The lengths, and the label that each lattice position emits next."""

    num_frames: Int[Array, " B"]
    next_labels: Int[Array, "B N"]
    num_labels: Int[Array, " B"]


class _LogitsResiduals(NamedTuple):
    logits: Float[Array, "B T N W"]
    normalizer: Float[Array, "B T N P"]
    occupancy: Float[Array, "B T N C"]
    live: Bool[Array, "B T N"]  # nodes with a gradient: not padding, in rows that have a path
    next_labels: Int[Array, "B N"]


class _JointResiduals(NamedTuple):
    joint: JointArrays
    key: Any
    normalizer: Float[Array, "B T N P"]
    occupancy: Float[Array, "B T N C"]
    next_labels: Int[Array, "B N"]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def logits_loss(settings: Settings, logits: Float[Array, "B T N W"], transcripts: Transcripts) -> Float[Array, " B"]:
    """Computes the loss of each row from all logits."""
    return _loss(settings, emit(logits, transcripts.next_labels, settings.topology), transcripts)


def _logits_forward(settings: Settings, logits: Float[Array, "B T N W"], transcripts: Transcripts):
    num_frames, next_labels, num_labels = transcripts
    emissions = emit(logits, next_labels, settings.topology)
    loss, occupancy = _loss_and_occupancy(settings, emissions, transcripts)
    live = node_mask(num_frames, num_labels, logits) & (loss != jnp.inf)[:, None, None]
    return loss, _LogitsResiduals(logits, emissions.normalizer, occupancy, live, next_labels)


def _logits_backward(settings: Settings, residuals: _LogitsResiduals, cotangent: Float[Array, " B"]):
    logits, normalizer, occupancy, live, next_labels = residuals
    gradient = logits_gradient(logits, normalizer, occupancy, next_labels, settings.topology, settings.clamp)
    gradient = jnp.where(live[..., None], cotangent[:, None, None, None] * gradient, 0)
    return gradient.astype(logits.dtype), None


logits_loss.defvjp(_logits_forward, _logits_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def joint_loss(
    settings: Settings, options: JointOptions, joint: JointArrays, key: Any, transcripts: Transcripts
) -> Float[Array, " B"]:
    """Computes the loss of each row from a joint network, in blocks; the padding of `joint` must be finite."""
    emissions = joint_emissions(joint, transcripts.next_labels, key, settings.topology, options)
    return _loss(settings, emissions, transcripts)


def _joint_forward(settings: Settings, options: JointOptions, joint: JointArrays, key: Any, transcripts: Transcripts):
    emissions = joint_emissions(joint, transcripts.next_labels, key, settings.topology, options)
    loss, occupancy = _loss_and_occupancy(settings, emissions, transcripts)
    return loss, _JointResiduals(joint, key, emissions.normalizer, occupancy, transcripts.next_labels)


def _joint_backward(
    settings: Settings, options: JointOptions, residuals: _JointResiduals, cotangent: Float[Array, " B"]
):
    joint, key, normalizer, occupancy, next_labels = residuals
    gradients = joint_gradients(
        joint, next_labels, key, normalizer, occupancy, cotangent, settings.topology, options, settings.clamp
    )
    return gradients, None, None


joint_loss.defvjp(_joint_forward, _joint_backward)


def _loss(settings: Settings, emissions: Emissions, transcripts: Transcripts) -> Float[Array, " B"]:
    num_frames, _, num_labels = transcripts
    total = log_total(emissions.log_probs, num_frames, num_labels, settings.topology)
    return _from_total(settings, total, emissions.normalizer, transcripts)


def _loss_and_occupancy(
    settings: Settings, emissions: Emissions, transcripts: Transcripts
) -> tuple[Float[Array, " B"], Float[Array, "B T N C"]]:
    num_frames, _, num_labels = transcripts
    total, occupancy = occupancies(
        emissions.log_probs, num_frames, num_labels, settings.topology, emission_weight=1 + settings.fastemit
    )
    loss = _from_total(settings, total, emissions.normalizer, transcripts)
    return loss, jnp.where(jnp.isnan(loss)[:, None, None, None], jnp.nan, occupancy)


def _from_total(
    settings: Settings, total: Float[Array, " B"], normalizer: Float[Array, "B T N P"], transcripts: Transcripts
) -> Float[Array, " B"]:
    padding = ~node_mask(transcripts.num_frames, transcripts.num_labels, normalizer)
    sound = (jnp.isfinite(normalizer).all(-1) | padding).all((1, 2))
    # By rounding, the sum of all paths can be slightly above one; with wildcards it can be far above.
    loss = jnp.maximum(-total, 0) if settings.topology.wildcard is None else -total
    return jnp.where(sound, (1 + settings.fastemit) * loss, jnp.nan)
