"""The losses of `losses.transducer` from the joint network, in blocks of frames: all logits never exist at once.

    logits(t, u) = dropout(activation(encoded_t + predicted_u)) kernel + bias

`losses.joint` computes the blocks, and again in the backward pass. For memory see `losses.transducer`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.losses.joint import ACTIVATIONS, AdapterArrays, JointArrays, JointOptions
from jaxspeech.losses.path_loss import Settings, Transcripts, joint_loss
from jaxspeech.losses.topology import multiblank, rnnt, tdt, wildcard_of
from jaxspeech.losses.transducer import transcripts
from jaxspeech.masks import zero_padding

_JOINT_STATIC = ("blank_id", "activation", "dropout", "fastemit", "clamp", "block_frames")
_WILDCARD = ("wildcard", "wildcard_weight")


@partial(jax.jit, static_argnames=(*_JOINT_STATIC, *_WILDCARD, "hat"))
def rnnt_joint_loss(
    encoded: Float[Any, "B T J"],
    predicted: Float[Any, "B N J"],
    kernel: Float[Any, "J W"],
    bias: Float[Any, " W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    activation: str = "relu",
    dropout: float = 0.0,
    key: Any = None,
    fastemit: float = 0.0,
    clamp: float = -1.0,
    block_frames: int | None = None,
    hat: bool = False,
    wildcard: str = "none",
    wildcard_weight: float = 0.0,
    adapters: Sequence[Any] = (),
) -> Float[Array, " B"]:
    """Computes `rnnt_loss` of the logits dropout(activation(encoded + predicted)) kernel + bias, in blocks of frames.

    Args:
      encoded: encoder frames projected to the joint's width; their dtype is that of the matrix products.
      predicted: outputs of the prediction network before the first and after each label, projected as well.
      kernel, bias: the joint's output layer.
      activation: "relu", "tanh" or "sigmoid"; or two of them, as in "relu+tanh", for the halves of the hidden values.
      dropout: probability of dropping a hidden value, rounded to 1/256; needs `key`.
      block_frames: frames per block; None makes a block's logits a few MiB on a CPU and 128 MiB elsewhere. It affects
        only which hidden values are dropped.
      adapters: bottlenecks (scale, bias, up, down) whose outputs are added to encoded + predicted, in their order.
      others: see `rnnt_loss`.

    Memory: about 14 float32 per node, of which there are B T (U+1), and one block of W + J values per node with their
    gradients; apart from the kernel's gradient, nothing else grows with W.
    """
    skips = wildcard_of(wildcard, wildcard_weight)
    settings = Settings(rnnt(kernel.shape[-1], blank_id, factored=hat, wildcard=skips), fastemit, clamp)
    joint = JointArrays(encoded, predicted, kernel, bias, tuple(AdapterArrays(*adapter) for adapter in adapters))
    options = _options(activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=(*_JOINT_STATIC, *_WILDCARD, "durations", "sigma", "hat"))
def tdt_joint_loss(
    encoded: Float[Any, "B T J"],
    predicted: Float[Any, "B N J"],
    kernel: Float[Any, "J W"],
    bias: Float[Any, " W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    durations: tuple[int, ...],
    sigma: float = 0.0,
    activation: str = "relu",
    dropout: float = 0.0,
    key: Any = None,
    fastemit: float = 0.0,
    clamp: float = -1.0,
    block_frames: int | None = None,
    hat: bool = False,
    wildcard: str = "none",
    wildcard_weight: float = 0.0,
    adapters: Sequence[Any] = (),
) -> Float[Array, " B"]:
    """Computes `tdt_loss` from the joint network; arguments are those of `tdt_loss` and `rnnt_joint_loss`.

    Memory: as `rnnt_joint_loss`, with about 14 + 3 D float32 per node for the lattice.
    """
    skips = wildcard_of(wildcard, wildcard_weight)
    topology = tdt(kernel.shape[-1], blank_id, durations, sigma, factored=hat, wildcard=skips)
    settings = Settings(topology, fastemit, clamp)
    joint = JointArrays(encoded, predicted, kernel, bias, tuple(AdapterArrays(*adapter) for adapter in adapters))
    options = _options(activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=(*_JOINT_STATIC, "big_blank_durations", "sigma"))
def multiblank_rnnt_joint_loss(
    encoded: Float[Any, "B T J"],
    predicted: Float[Any, "B N J"],
    kernel: Float[Any, "J W"],
    bias: Float[Any, " W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    big_blank_durations: tuple[int, ...],
    sigma: float = 0.0,
    activation: str = "relu",
    dropout: float = 0.0,
    key: Any = None,
    fastemit: float = 0.0,
    clamp: float = -1.0,
    block_frames: int | None = None,
    adapters: Sequence[Any] = (),
) -> Float[Array, " B"]:
    """Computes `multiblank_rnnt_loss` from the joint network; the other arguments are those of `rnnt_joint_loss`.

    Memory: as `rnnt_joint_loss`, with about 14 + 3 (number of big blanks) float32 per node for the lattice.
    """
    settings = Settings(multiblank(kernel.shape[-1], blank_id, big_blank_durations, sigma), fastemit, clamp)
    joint = JointArrays(encoded, predicted, kernel, bias, tuple(AdapterArrays(*adapter) for adapter in adapters))
    options = _options(activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, transcripts(num_frames, labels, num_labels))


def _options(activation: str, dropout: float, key: Any, block_frames: int | None) -> JointOptions:
    if activation not in ACTIVATIONS:
        raise ConfigError(f'unknown activation "{activation}" of the joint{did_you_mean(activation, ACTIVATIONS)}')
    if dropout and key is None:
        raise ConfigError(f"dropout {dropout} in the joint needs a random key: pass key=")
    return JointOptions(activation, dropout, block_frames)


def _blockwise(settings: Settings, options: JointOptions, joint: JointArrays, key: Any, texts: Transcripts):
    joint = jax.tree.map(jnp.asarray, joint)
    encoded = zero_padding(joint.encoded, texts.num_frames)
    predicted = zero_padding(joint.predicted, texts.num_labels + 1)
    return joint_loss(settings, options, joint._replace(encoded=encoded, predicted=predicted), key, texts)
