"""Transducer losses: RNN-T, multi-blank and TDT, from logits or memory-efficiently from the joint network.

At frame t, with u labels emitted, a model has logits of the labels and one or more blanks. A path emits labels, which
advance u by 1, and blanks, which advance t, until all frames and labels are consumed:

    RNN-T        a label stays in its frame, the blank advances by one frame
    multi-blank  as RNN-T; big blanks advance by their own durations
    TDT          every symbol has a duration from a second softmax, by which it advances; a blank's is at least 1
    loss         = -log(sum over all paths of the product of their probabilities)
    d loss / d logits(t, u) = passing(t, u) softmax(t, u) - occupancy(t, u)

where passing is the posterior of visiting node (t, u), and occupancy that of each symbol emitted there. A path never
ends with a label: its last symbol is a blank (in TDT and multi-blank one that ends exactly with the last frame). An
RNN-T or a TDT may be a hybrid autoregressive transducer (HAT), whose blank has a probability of its own.
`losses.lattice` sums the paths, `losses.emissions` converts between logits and the lattice, `losses.joint` does so for
the joint network in blocks of frames.

Memory beyond the inputs, in float32 numbers for each of the B T (U+1) nodes; C is the number of log-probabilities kept
for a node: 2 (RNN-T), 2 + the number of big blanks, or 2 + the number of durations (TDT).

    from logits   W for the gradient, which is as large as the logits, and about 3 C + 8
    from a joint  about 3 C + 8; and a block of W + J logits and hidden values with their gradients (a few MiB on a CPU)

Sources: Graves, "Sequence Transduction with Recurrent Neural Networks" (2012); Xu et al., "Multi-blank Transducers for
Speech Recognition" (2022); Xu et al., "Efficient Sequence Transduction by Jointly Predicting Tokens and Durations"
(2023); Yu et al., "FastEmit: Low-latency Streaming ASR with Sequence-level Emission Regularization" (2021).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.losses.emissions import next_labels
from jaxspeech.losses.joint import ACTIVATIONS, JointArrays, JointOptions
from jaxspeech.losses.path_loss import Settings, Transcripts, joint_loss, logits_loss
from jaxspeech.losses.topology import multiblank, rnnt, tdt
from jaxspeech.masks import zero_padding


@partial(jax.jit, static_argnames=("blank_id", "fastemit", "clamp", "hat"))
def rnnt_loss(
    logits: Float[Any, "B T N W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    fastemit: float = 0.0,
    clamp: float = -1.0,
    hat: bool = False,
) -> Float[Array, " B"]:
    """Computes the RNN-T loss: negative log-likelihoods in nats, in float32 whatever the dtype of the logits.

    Args:
      logits: unnormalised scores, or log-probabilities, of the W = V + 1 symbols for each frame and each number of
        labels emitted before, N = U + 1.
      num_frames: real frames of each row; padding may hold anything.
      labels: transcripts, without blanks.
      num_labels: real labels of each row; padding may hold anything.
      blank_id: index of the blank among the W symbols.
      fastemit: FastEmit's lambda. The gradient of emitting a label is multiplied by 1 + lambda at each node. So is the
        loss, as in NeMo, although the gradient is then not that of the returned loss.
      clamp: if positive, each row's gradient by its logits is clipped to [-clamp, clamp] before the chain rule
        multiplies it by the cotangent (for example that of a mean over rows).
      hat: a hybrid autoregressive transducer: the blank has a probability of its own, the sigmoid of its logit, and the
        labels share the rest by a softmax without it (see `losses.emissions`).

    Returns:
      Losses [B], never negative. A row without a path (no frames, or labels at or above W) has the loss inf and a zero
      gradient. NaN results only from real logits that are NaN or +inf.

    Memory: the gradient, W float32 per node, of which there are B T (U+1), and about 14 more for the lattice.
    """
    settings = Settings(rnnt(logits.shape[-1], blank_id, factored=hat), fastemit, clamp)
    return logits_loss(settings, jnp.asarray(logits), _transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=("blank_id", "durations", "sigma", "fastemit", "clamp", "hat"))
def tdt_loss(
    logits: Float[Any, "B T N W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    durations: tuple[int, ...],
    sigma: float = 0.0,
    fastemit: float = 0.0,
    clamp: float = -1.0,
    hat: bool = False,
) -> Float[Array, " B"]:
    """Computes the TDT loss: that of `rnnt_loss`, with a duration for every symbol.

    Args:
      logits: scores of the V + 1 tokens, followed by those of the D durations; each part has its own softmax.
      durations: the number of frames of each duration, for example `(0, 1, 2, 3, 4)`; a blank never has duration 0.
      sigma: subtracted from every token's log-probability, at least 0: it penalises paths of many symbols.
      others: see `rnnt_loss`.

    Returns:
      Losses [B]. If no sequence of durations ends exactly at the last frame, the loss is inf and the gradient zero.

    Memory: as `rnnt_loss`, with about 14 + 3 D float32 per node for the lattice.
    """
    settings = Settings(tdt(logits.shape[-1], blank_id, durations, sigma, factored=hat), fastemit, clamp)
    return logits_loss(settings, jnp.asarray(logits), _transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=("blank_id", "big_blank_durations", "sigma", "fastemit", "clamp"))
def multiblank_rnnt_loss(
    logits: Float[Any, "B T N W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    big_blank_durations: tuple[int, ...],
    sigma: float = 0.0,
    fastemit: float = 0.0,
    clamp: float = -1.0,
) -> Float[Array, " B"]:
    """Computes the multi-blank loss: that of `rnnt_loss`, with further blanks that advance by several frames.

    Args:
      logits: scores of the V labels, the big blanks in reverse order, and the standard blank.
      blank_id: index of the standard blank, W - 1; big blank i is at blank_id - 1 - i.
      big_blank_durations: the number of frames of each big blank, for example `(2, 4)`.
      sigma: subtracted from every log-probability, at least 0: it penalises paths of many symbols.
      others: see `rnnt_loss`.

    Memory: as `rnnt_loss`, with about 14 + 3 (number of big blanks) float32 per node for the lattice.
    """
    settings = Settings(multiblank(logits.shape[-1], blank_id, big_blank_durations, sigma), fastemit, clamp)
    return logits_loss(settings, jnp.asarray(logits), _transcripts(num_frames, labels, num_labels))


_JOINT_STATIC = ("blank_id", "activation", "dropout", "fastemit", "clamp", "block_frames")


@partial(jax.jit, static_argnames=(*_JOINT_STATIC, "hat"))
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
) -> Float[Array, " B"]:
    """Computes `rnnt_loss` of the logits dropout(activation(encoded + predicted)) kernel + bias, in blocks of frames.

    Args:
      encoded: encoder frames projected to the joint's width; their dtype is that of the matrix products.
      predicted: outputs of the prediction network before the first and after each label, projected as well.
      kernel, bias: the joint's output layer.
      activation: "relu", "tanh" or "sigmoid".
      dropout: probability of dropping a hidden value, rounded to 1/256; needs `key`.
      block_frames: frames per block; None makes a block's logits a few MiB on a CPU and 128 MiB elsewhere. It affects
        only which hidden values are dropped.
      others: see `rnnt_loss`.

    Memory: about 14 float32 per node, of which there are B T (U+1), and one block of W + J values per node with their
    gradients; apart from the kernel's gradient, nothing else grows with W.
    """
    settings = Settings(rnnt(kernel.shape[-1], blank_id, factored=hat), fastemit, clamp)
    joint = JointArrays(encoded, predicted, kernel, bias)
    options = _options(activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, _transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=(*_JOINT_STATIC, "durations", "sigma", "hat"))
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
) -> Float[Array, " B"]:
    """Computes `tdt_loss` from the joint network; arguments are those of `tdt_loss` and `rnnt_joint_loss`.

    Memory: as `rnnt_joint_loss`, with about 14 + 3 D float32 per node for the lattice.
    """
    settings = Settings(tdt(kernel.shape[-1], blank_id, durations, sigma, factored=hat), fastemit, clamp)
    joint = JointArrays(encoded, predicted, kernel, bias)
    options = _options(activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, _transcripts(num_frames, labels, num_labels))


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
) -> Float[Array, " B"]:
    """Computes `multiblank_rnnt_loss` from the joint network; the other arguments are those of `rnnt_joint_loss`.

    Memory: as `rnnt_joint_loss`, with about 14 + 3 (number of big blanks) float32 per node for the lattice.
    """
    settings = Settings(multiblank(kernel.shape[-1], blank_id, big_blank_durations, sigma), fastemit, clamp)
    joint = JointArrays(encoded, predicted, kernel, bias)
    options = _options(activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, _transcripts(num_frames, labels, num_labels))


def _transcripts(num_frames: Any, labels: Any, num_labels: Any) -> Transcripts:
    num_frames, labels, num_labels = (jnp.asarray(x) for x in (num_frames, labels, num_labels))
    return Transcripts(num_frames, next_labels(labels, num_labels), num_labels)


def _options(activation: str, dropout: float, key: Any, block_frames: int | None) -> JointOptions:
    if activation not in ACTIVATIONS:
        raise ConfigError(f'unknown activation "{activation}" of the joint{did_you_mean(activation, ACTIVATIONS)}')
    if dropout and key is None:
        raise ConfigError(f"dropout {dropout} in the joint needs a random key: pass key=")
    return JointOptions(activation, dropout, block_frames)


def _blockwise(settings: Settings, options: JointOptions, joint: JointArrays, key: Any, transcripts: Transcripts):
    joint = JointArrays(*(jnp.asarray(x) for x in joint))
    encoded = zero_padding(joint.encoded, transcripts.num_frames)
    predicted = zero_padding(joint.predicted, transcripts.num_labels + 1)
    return joint_loss(settings, options, joint._replace(encoded=encoded, predicted=predicted), key, transcripts)
