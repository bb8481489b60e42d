"""Runs a transducer's joint network a few frames at a time, forward and backward.

    hidden(t, u) = dropout(activation(encoded_t + predicted_u))
    logits(t, u) = hidden(t, u) kernel + bias

Over all t and u, the logits are by far the largest array of a model. `joint_emissions` keeps only what the lattice
needs of them; `joint_gradients` recomputes each block and backpropagates its gradient to the four inputs. That takes
four matrix products, one more than keeping all logits would.

Memory: one block of hidden values and one of logits, each with its gradient. The products are computed in the dtype of
`encoded`, everything else in float32.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.losses.emissions import Emissions, emit, logits_gradient
from jaxspeech.losses.topology import Topology
from jaxspeech.randomness import random_bytes

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}

T = TypeVar("T")
# Size of one block's logits in bytes: on a CPU it fits the caches, elsewhere it keeps the device busy.
_CPU_BLOCK = 4 * 2**20
_BLOCK = 128 * 2**20


class JointArrays(NamedTuple):
    """The inputs of the joint network that have a gradient."""

    encoded: Float[Array, "B T J"]
    predicted: Float[Array, "B N J"]
    kernel: Float[Array, "J W"]
    bias: Float[Array, " W"]


class JointOptions(NamedTuple):
    """Options of the joint network and of its blocks; `block_frames` None depends on the device, see `per_device`."""

    activation: str
    dropout: float
    block_frames: int | None


def block_size(num_frames: int, logits_per_frame: int, *, limit: int) -> int:
    """Returns the frames per block: float32 logits of at most `limit` bytes, and all blocks of nearly equal size."""
    most = max(1, limit // (4 * max(logits_per_frame, 1)))
    blocks = max(1, -(-num_frames // most))
    return max(1, -(-num_frames // blocks))


def per_device(compute: Callable[..., T], joint: JointArrays, *arrays: Any, options: JointOptions) -> T:
    """Returns compute(joint, *arrays, block_frames=...): the device that it is compiled for decides about blocks."""
    if options.block_frames is not None:
        return compute(joint, *arrays, block_frames=options.block_frames)
    rows, num_frames, _ = joint.encoded.shape
    logits = rows * joint.predicted.shape[1] * joint.kernel.shape[1]
    cpu, other = (
        partial(compute, block_frames=block_size(num_frames, logits, limit=limit)) for limit in (_CPU_BLOCK, _BLOCK)
    )
    return jax.lax.platform_dependent(joint, *arrays, cpu=cpu, default=other)


def joint_emissions(
    joint: JointArrays, labels: Int[Array, "B N"], key: Any, topology: Topology, options: JointOptions
) -> Emissions:
    """Computes `emit` of all logits, block by block."""

    def compute(joint: JointArrays, labels: Int[Array, "B N"], key: Any, *, block_frames: int) -> Emissions:
        def step(_, block: tuple[Int[Array, ""], Float[Array, "B F J"]]):
            index, encoded = block
            hidden = _hidden(encoded, joint.predicted, _fold(key, index), options)
            return None, emit(_logits(hidden, joint), labels, topology)

        blocks = _split(joint.encoded, block_frames)
        _, emissions = jax.lax.scan(step, None, (jnp.arange(len(blocks)), blocks))
        return jax.tree.map(lambda x: _join(x, joint.encoded.shape[1]), emissions)

    return per_device(compute, joint, labels, key, options=options)


def joint_gradients(
    joint: JointArrays,
    labels: Int[Array, "B N"],
    key: Any,
    normalizer: Float[Array, "B T N P"],
    occupancy: Float[Array, "B T N C"],
    cotangent: Float[Array, " B"],
    topology: Topology,
    options: JointOptions,
    clamp: float,
) -> JointArrays:
    """Computes the gradients of the losses, weighted by their cotangents, from the occupancies."""
    dtype = joint.encoded.dtype

    def compute(
        joint: JointArrays, labels: Any, key: Any, normalizer: Any, occupancy: Any, cotangent: Any, *, block_frames: int
    ) -> JointArrays:
        kernel = joint.kernel.astype(dtype)

        def step(sums: tuple[Array, Array, Array], block):
            index, encoded, normalizer, occupancy = block
            hide = partial(_hidden, key=_fold(key, index), options=options)
            hidden, pull = jax.vjp(hide, encoded, joint.predicted)
            logits = _logits(hidden, joint)
            gradient = logits_gradient(logits, normalizer, occupancy, labels, topology, clamp)
            gradient = (cotangent[:, None, None, None] * gradient).astype(dtype).reshape(-1, gradient.shape[-1])
            # Only matrix products consume `gradient`, for the bias too: XLA would recompute it for any other consumer.
            product = partial(jnp.dot, preferred_element_type=jnp.float32)
            ones = jnp.ones(len(gradient), dtype)
            parts = product(hidden.reshape(len(gradient), -1).T, gradient), product(ones, gradient)
            encoded, predicted = pull(product(gradient, kernel.T).reshape(hidden.shape).astype(dtype))
            return jax.tree.map(jnp.add, sums, (predicted, *parts)), encoded

        blocks = tuple(_split(x, block_frames) for x in (joint.encoded, normalizer, occupancy))
        sums = tuple(jnp.zeros(x.shape, jnp.float32) for x in joint[1:])
        (predicted, kernel_gradient, bias), encoded = jax.lax.scan(step, sums, (jnp.arange(len(blocks[0])), *blocks))
        gradients = JointArrays(_join(encoded, joint.encoded.shape[1]), predicted, kernel_gradient, bias)
        return jax.tree.map(lambda x, like: x.astype(like.dtype), gradients, joint)

    return per_device(compute, joint, labels, key, normalizer, occupancy, cotangent, options=options)


def _hidden(encoded: Float[Array, "B F J"], predicted: Float[Array, "B N J"], key: Any, options: JointOptions):
    summed = encoded.astype(jnp.float32)[:, :, None] + predicted.astype(jnp.float32)[:, None]
    hidden = ACTIVATIONS[options.activation](summed)
    dropped = round(options.dropout * 256)
    if dropped:
        keep = random_bytes(key, hidden.shape) >= dropped
        hidden = jnp.where(keep, hidden * (256 / (256 - dropped)), 0)
    return hidden.astype(encoded.dtype)


def _logits(hidden: Float[Array, "B F N J"], joint: JointArrays) -> Float[Array, "B F N W"]:
    kernel = joint.kernel.astype(hidden.dtype)
    product = jnp.einsum("bfnj,jw->bfnw", hidden, kernel, preferred_element_type=jnp.float32)
    return product + joint.bias.astype(jnp.float32)


def _fold(key: Any, index: Int[Array, ""]) -> Any:
    return None if key is None else jax.random.fold_in(key, index)


def _split(x: Float[Array, "B T *rest"], block_frames: int) -> Float[Array, "blocks B F *rest"]:
    """Splits frames into blocks; the last one is padded with zeros."""
    blocks = -(-x.shape[1] // block_frames)
    x = jnp.pad(x, ((0, 0), (0, blocks * block_frames - x.shape[1])) + ((0, 0),) * (x.ndim - 2))
    return jnp.moveaxis(x.reshape(x.shape[0], blocks, block_frames, *x.shape[2:]), 1, 0)


def _join(x: Float[Array, "blocks B F *rest"], num_frames: int) -> Float[Array, "B T *rest"]:
    """Inverts `_split`."""
    x = jnp.moveaxis(x, 0, 1)
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:])[:, :num_frames]
