"""Runs a transducer's joint network a few frames at a time, forward and backward.

    hidden(t, u) = dropout(activation(adapted(encoded_t + predicted_u)))
    logits(t, u) = hidden(t, u) kernel + bias

Over all t and u, the logits are by far the largest array of a model. `joint_emissions` keeps only what the lattice
needs of them; `joint_gradients` recomputes each block and backpropagates its gradient to the four inputs. That takes
four matrix products, one more than keeping all logits would.

Memory: one block of hidden values and one of logits, each with its gradient. The products are computed in the dtype of
`encoded`, everything else in float32.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped, UInt32

from jaxspeech.losses.emissions import Emissions, emit, logits_gradient
from jaxspeech.losses.topology import Topology
from jaxspeech.randomness import bytes_of_rows, words_of
from jaxspeech.row_parallel import kernels_over_rows, rows_split

_SINGLE: dict[str, Callable[[Array], Array]] = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


def _halves(first: str, second: str) -> Callable[[Array], Array]:
    """Returns the activation with which the first half of the hidden values differs from the second."""

    def activate(x: Array) -> Array:
        before, after = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([_SINGLE[first](before), _SINGLE[second](after)], axis=-1)

    return activate


# "relu+tanh" is relu for the first half of the hidden values and tanh for the second.
ACTIVATIONS = _SINGLE | {f"{a}+{b}": _halves(a, b) for a, b in itertools.permutations(_SINGLE, 2)}

# Of the adapters' layer norms.
NORM_EPSILON = 1e-5

T = TypeVar("T")
# Size of one block's logits in bytes: on a CPU it fits the caches, elsewhere it keeps the device busy.
_CPU_BLOCK = 4 * 2**20
_BLOCK = 128 * 2**20


class AdapterArrays(NamedTuple):
    """An adapter of the joint network: x += swish(norm(x) up) down, of the sum before the activation."""

    scale: Float[Array, " J"]
    bias: Float[Array, " J"]
    up: Float[Array, "J A"]
    down: Float[Array, "A J"]


class JointArrays(NamedTuple):
    """The inputs of the joint network that have a gradient."""

    encoded: Float[Array, "B T J"]
    predicted: Float[Array, "B N J"]
    kernel: Float[Array, "J W"]
    bias: Float[Array, " W"]
    adapters: tuple[AdapterArrays, ...] = ()


class JointOptions(NamedTuple):
    """Options of the joint network and of its blocks; `block_frames` None: see `_per_platform`."""

    activation: str
    dropout: float
    block_frames: int | None


def block_size(num_frames: int, logits_per_frame: int, *, limit: int) -> int:
    """Returns the frames per block: float32 logits of at most `limit` bytes, and all blocks of nearly equal size."""
    most = max(1, limit // (4 * max(logits_per_frame, 1)))
    blocks = max(1, -(-num_frames // most))
    return max(1, -(-num_frames // blocks))


def joint_emissions(
    joint: JointArrays, labels: Int[Array, "B N"], key: Any, topology: Topology, options: JointOptions
) -> Emissions:
    """Computes `emit` of all logits, block by block."""

    def compute(joint: JointArrays, words: Any, labels: Int[Array, "B N"], *, block_frames: int) -> Emissions:
        def step(_, block: tuple[Float[Array, "B F J"], Any]):
            encoded, words = block
            hidden = _hidden(encoded, joint.predicted, joint.adapters, words, options)
            return None, emit(_logits(hidden, joint), labels, topology)

        _, emissions = jax.lax.scan(step, None, _blocks((joint.encoded, words), block_frames))
        return jax.tree.map(lambda x: _join(x, joint.encoded.shape[1]), emissions)

    return _over_rows(compute, joint, key, labels, options=options)


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
        joint: JointArrays,
        words: Any,
        labels: Any,
        normalizer: Any,
        occupancy: Any,
        cotangent: Any,
        *,
        block_frames: int,
    ) -> JointArrays:
        kernel = joint.kernel.astype(dtype)

        def step(sums: Any, block):
            encoded, words, normalizer, occupancy = block
            hide = partial(_hidden, words=words, options=options)
            hidden, pull = jax.vjp(hide, encoded, joint.predicted, joint.adapters)
            logits = _logits(hidden, joint)
            gradient = logits_gradient(logits, normalizer, occupancy, labels, topology, clamp)
            gradient = (cotangent[:, None, None, None] * gradient).astype(dtype).reshape(-1, gradient.shape[-1])
            # Only matrix products consume `gradient`, for the bias too: XLA would recompute it for any other consumer.
            product = partial(jnp.dot, preferred_element_type=jnp.float32)
            ones = jnp.ones(len(gradient), dtype)
            parts = product(hidden.reshape(len(gradient), -1).T, gradient), product(ones, gradient)
            encoded, predicted, adapters = pull(product(gradient, kernel.T).reshape(hidden.shape).astype(dtype))
            return jax.tree.map(jnp.add, sums, (predicted, *parts, adapters)), encoded

        blocks = _blocks((joint.encoded, words, normalizer, occupancy), block_frames)
        sums = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), tuple(joint[1:]))
        (predicted, *weights), encoded = jax.lax.scan(step, sums, blocks)
        encoded = _join(encoded, joint.encoded.shape[1])
        return JointArrays(encoded, predicted, *jax.tree.map(lambda x: x[None], weights))

    gradients = _over_rows(compute, joint, key, labels, normalizer, occupancy, cotangent, options=options)
    weights = jax.tree.map(lambda x: x.sum(0), tuple(gradients[2:]))
    gradients = JointArrays(*gradients[:2], *weights)
    return jax.tree.map(lambda x, like: x.astype(like.dtype), gradients, joint)


def _over_rows(compute: Callable[..., T], joint: JointArrays, key: Any, *arrays: Any, options: JointOptions) -> T:
    """Returns compute(joint, words, *arrays, block_frames=...), computed on each device for its rows.

    Sums over the rows of a device are summed over the devices once, instead of at every block. What is dropped depends
    on neither the devices nor the blocks.

    Args:
      compute: the arrays that it returns have the rows, or 1, as the first axis; `words` is None without dropout.
      joint, key: of all rows.
      arrays: [B ...].
      options: say how many frames are in a block.
    """
    rows = joint.encoded.shape[0]
    words = _words(key, rows, joint.encoded.shape[1]) if round(options.dropout * 256) else None

    def of_a_device(_: Any, weights: tuple[Any, ...], encoded: Array, predicted: Array, *arrays: Any) -> T:
        return _per_platform(compute, JointArrays(encoded, predicted, *weights), *arrays, options=options)

    inputs = tuple(joint[2:]), joint.encoded, joint.predicted, words, *arrays
    return kernels_over_rows(of_a_device, *inputs) if rows_split(rows) else of_a_device(0, *inputs)


def _per_platform(compute: Callable[..., T], joint: JointArrays, *arrays: Any, options: JointOptions) -> T:
    """Returns compute(joint, *arrays, block_frames=...): the device that it is compiled for decides about blocks."""
    if options.block_frames is not None:
        return compute(joint, *arrays, block_frames=options.block_frames)
    rows, num_frames, _ = joint.encoded.shape
    logits = rows * joint.predicted.shape[1] * joint.kernel.shape[1]
    cpu, other = (
        partial(compute, block_frames=block_size(num_frames, logits, limit=limit)) for limit in (_CPU_BLOCK, _BLOCK)
    )
    return jax.lax.platform_dependent(joint, *arrays, cpu=cpu, default=other)


def _words(key: Any, rows: int, num_frames: int) -> UInt32[Array, "B T 2"]:
    """Returns the words to hash for the dropout of each frame of each row."""
    fold_in = jax.random.fold_in
    of_rows = jax.vmap(fold_in, (None, 0))(key, jnp.arange(rows))
    return jax.vmap(lambda key: jax.vmap(lambda t: words_of(fold_in(key, t)))(jnp.arange(num_frames)))(of_rows)


def _hidden(
    encoded: Float[Array, "B F J"],
    predicted: Float[Array, "B N J"],
    adapters: tuple[AdapterArrays, ...],
    words: Any,
    options: JointOptions,
) -> Float[Array, "B F N J"]:
    summed = encoded.astype(jnp.float32)[:, :, None] + predicted.astype(jnp.float32)[:, None]
    for adapter in adapters:
        summed = summed + _bottleneck(summed, adapter, encoded.dtype)
    hidden = ACTIVATIONS[options.activation](summed)
    if words is not None:
        dropped = round(options.dropout * 256)
        keep = bytes_of_rows(words, hidden.shape[2:]) >= dropped
        hidden = jnp.where(keep, hidden * (256 / (256 - dropped)), 0)
    return hidden.astype(encoded.dtype)


def _bottleneck(x: Float[Array, "B F N J"], adapter: AdapterArrays, dtype: Any) -> Float[Array, "B F N J"]:
    """Computes what the adapter adds to x, as `nn.adapter.LinearAdapter` does."""
    centred = x - x.mean(-1, keepdims=True)
    normed = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + NORM_EPSILON)
    normed = (normed * adapter.scale + adapter.bias).astype(dtype)
    inner = jax.nn.swish(normed @ adapter.up.astype(dtype))
    return jnp.matmul(inner, adapter.down.astype(dtype), preferred_element_type=jnp.float32)


def _logits(hidden: Float[Array, "B F N J"], joint: JointArrays) -> Float[Array, "B F N W"]:
    kernel = joint.kernel.astype(hidden.dtype)
    product = jnp.einsum("bfnj,jw->bfnw", hidden, kernel, preferred_element_type=jnp.float32)
    return product + joint.bias.astype(jnp.float32)


def _blocks(arrays: Any, block_frames: int) -> Any:
    """Splits the frames of arrays [B T ...] into blocks, as the scan takes them."""
    return jax.tree.map(lambda x: _split(x, block_frames), arrays)


def _split(x: Shaped[Array, "B T *rest"], block_frames: int) -> Shaped[Array, "blocks B F *rest"]:
    """Splits frames into blocks; the last one is padded with zeros."""
    blocks = -(-x.shape[1] // block_frames)
    x = jnp.pad(x, ((0, 0), (0, blocks * block_frames - x.shape[1])) + ((0, 0),) * (x.ndim - 2))
    return jnp.moveaxis(x.reshape(x.shape[0], blocks, block_frames, *x.shape[2:]), 1, 0)


def _join(x: Float[Array, "blocks B F *rest"], num_frames: int) -> Float[Array, "B T *rest"]:
    """Inverts `_split`."""
    x = jnp.moveaxis(x, 0, 1)
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:])[:, :num_frames]
