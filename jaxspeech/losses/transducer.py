"""Transducers: RNN-T, multi-blank and TDT, from logits, or from a joint network whose logits never exist at once.

At frame t with u labels emitted a model gives logits over the labels and one or more blanks; a path emits labels,
which move it from u to u + 1, and blanks, which move it on in time, until all of both are used up:

    RNN-T        a label keeps the frame, the blank moves to the next one
    multi-blank  as RNN-T; big blanks move on by their own durations
    TDT          every symbol comes with a duration from a second softmax, and moves on by it; a blank's is at least 1
    loss         = -log(sum over all paths of the product of their probabilities)
    d loss / d logits(t, u) = passing(t, u) softmax(t, u) - occupancy(t, u)

with the shares of all paths that come by (t, u) and that take each symbol there. Paths never end with a label: the last
symbol is a blank (in TDT and multi-blank one that ends exactly with the last frame). `losses.lattice` sums the paths,
`losses.emissions` goes from logits to what that needs and back, `losses.joint` does so in blocks of frames.

Memory beyond the inputs, in float32 numbers for each of the B T (U+1) nodes, of which C log-probabilities are kept: 2
(RNN-T), 2 + the number of big blanks, or 2 + the number of durations (TDT).

    from logits   W for the gradient, which is the size of the logits, and about 3 C + 8
    from a joint  about 3 C + 8, and a block of W + J logits and hidden values with their gradients (a few MiB on a CPU)

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
from jaxspeech.losses.joint import ACTIVATIONS, Joint, JointOptions, block_size
from jaxspeech.losses.path_loss import Settings, Transcripts, joint_loss, logits_loss
from jaxspeech.losses.topology import multiblank, rnnt, tdt
from jaxspeech.masks import zero_padding


@partial(jax.jit, static_argnames=("blank_id", "fastemit", "clamp"))
def rnnt_loss(
    logits: Float[Any, "B T N W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    fastemit: float = 0.0,
    clamp: float = -1.0,
) -> Float[Array, " B"]:
    """RNN-T: negative log-likelihood of each transcript, in nats; float32 inside, whatever the dtype of the logits.

    Args:
      logits: raw scores of the W = V + 1 symbols for each frame and each of the N = U + 1 numbers of labels behind it;
        log-probabilities do as well.
      num_frames: real frames of each row; what lies behind them may be anything.
      labels: transcripts, without blanks.
      num_labels: real labels of each row; what lies behind them may be anything.
      blank_id: the blank's place among the W symbols.
      fastemit: FastEmit's lambda. The gradient of emitting a label, of all paths and at each node, is multiplied with
        1 + lambda; so is the loss itself, as in the peer, though it is then not what the gradient belongs to.
      clamp: where positive, each row's gradient by its logits is held within -clamp and clamp, before it is multiplied
        with what comes from outside (the share of a mean, say).

    Returns:
      Losses [B], never negative. A row without a path (no frames, or labels at or above W) has the loss inf and a zero
      gradient. NaN comes only from real logits that are NaN or +inf.

    Memory: the gradient, W float32 for each of the B T (U+1) nodes, and about 14 more for the lattice.
    """
    settings = Settings(rnnt(logits.shape[-1], blank_id), fastemit, clamp)
    return logits_loss(settings, jnp.asarray(logits), _transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=("blank_id", "durations", "sigma", "fastemit", "clamp"))
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
) -> Float[Array, " B"]:
    """TDT: as `rnnt_loss`, with a duration for every symbol.

    Args:
      logits: scores of the V + 1 tokens, and behind them of the D durations, each with its own softmax.
      durations: frames that each of the D moves on by, as `(0, 1, 2, 3, 4)`; a blank takes none of 0.
      sigma: taken off every token's log-probability, at least 0: it makes paths of many symbols the more expensive.
      others: see `rnnt_loss`.

    Returns:
      Losses [B]. A transcript that no durations bring to exactly the last frame has the loss inf and a zero gradient.

    Memory: as `rnnt_loss`, with about 14 + 3 D float32 a node for the lattice.
    """
    settings = Settings(tdt(logits.shape[-1], blank_id, durations, sigma), fastemit, clamp)
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
    """Multi-blank: as `rnnt_loss`, with blanks that move on by several frames.

    Args:
      logits: scores of the V labels, of the big blanks, the last one first, and of the standard blank.
      blank_id: place of the standard blank, W - 1; big blank i is at blank_id - 1 - i.
      big_blank_durations: frames that each big blank moves on by, as `(2, 4)`.
      sigma: taken off every log-probability, at least 0: it makes paths of many symbols the more expensive.
      others: see `rnnt_loss`.

    Memory: as `rnnt_loss`, with about 14 + 3 (number of big blanks) float32 a node for the lattice.
    """
    settings = Settings(multiblank(logits.shape[-1], blank_id, big_blank_durations, sigma), fastemit, clamp)
    return logits_loss(settings, jnp.asarray(logits), _transcripts(num_frames, labels, num_labels))


_JOINT_STATIC = ("blank_id", "activation", "dropout", "fastemit", "clamp", "block_frames")


@partial(jax.jit, static_argnames=_JOINT_STATIC)
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
) -> Float[Array, " B"]:
    """`rnnt_loss` of the logits dropout(activation(encoded + predicted)) kernel + bias, a few frames at a time.

    Args:
      encoded: the encoder's frames, projected to the joint's width; its dtype is that of the matrix products.
      predicted: the prediction network's output behind each number of labels, projected likewise.
      kernel, bias: the joint's last layer.
      activation: "relu", "tanh" or "sigmoid".
      dropout: probability to drop a hidden value, rounded to 1/256; needs `key`.
      block_frames: frames of a block; None makes its logits a few MiB on a CPU, and 128 MiB elsewhere. It
        changes nothing but the draws of the dropout.
      others: see `rnnt_loss`.

    Memory: about 14 float32 for each of the B T (U+1) nodes, and one block of W + J values a node with their gradients;
    nothing else grows with W but the kernel's own gradient.
    """
    settings = Settings(rnnt(kernel.shape[-1], blank_id), fastemit, clamp)
    joint = Joint(encoded, predicted, kernel, bias)
    options = _options(joint, activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, _transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=(*_JOINT_STATIC, "durations", "sigma"))
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
) -> Float[Array, " B"]:
    """`tdt_loss` from a joint network; the arguments are those of `tdt_loss` and `rnnt_joint_loss`.

    Memory: as `rnnt_joint_loss`, with about 14 + 3 D float32 a node for the lattice.
    """
    settings = Settings(tdt(kernel.shape[-1], blank_id, durations, sigma), fastemit, clamp)
    joint = Joint(encoded, predicted, kernel, bias)
    options = _options(joint, activation, dropout, key, block_frames)
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
    """`multiblank_rnnt_loss` from a joint network; the arguments are those of it and of `rnnt_joint_loss`.

    Memory: as `rnnt_joint_loss`, with about 14 + 3 (number of big blanks) float32 a node for the lattice.
    """
    settings = Settings(multiblank(kernel.shape[-1], blank_id, big_blank_durations, sigma), fastemit, clamp)
    joint = Joint(encoded, predicted, kernel, bias)
    options = _options(joint, activation, dropout, key, block_frames)
    return _blockwise(settings, options, joint, key, _transcripts(num_frames, labels, num_labels))


def _transcripts(num_frames: Any, labels: Any, num_labels: Any) -> Transcripts:
    num_frames, labels, num_labels = (jnp.asarray(x) for x in (num_frames, labels, num_labels))
    return Transcripts(num_frames, next_labels(labels, num_labels), num_labels)


def _options(joint: Joint, activation: str, dropout: float, key: Any, block_frames: int | None) -> JointOptions:
    if activation not in ACTIVATIONS:
        raise ConfigError(f'unknown activation "{activation}" of a joint{did_you_mean(activation, ACTIVATIONS)}')
    if dropout and key is None:
        raise ConfigError(f"dropout {dropout} in the joint needs a random key: pass key=")
    if block_frames is None:
        rows, num_frames, _ = joint.encoded.shape
        block_frames = block_size(num_frames, rows * joint.predicted.shape[1] * joint.kernel.shape[1])
    return JointOptions(activation, dropout, block_frames)


def _blockwise(settings: Settings, options: JointOptions, joint: Joint, key: Any, transcripts: Transcripts):
    joint = Joint(*(jnp.asarray(x) for x in joint))
    encoded = zero_padding(joint.encoded, transcripts.num_frames)
    predicted = zero_padding(joint.predicted, transcripts.num_labels + 1)
    return joint_loss(settings, options, joint._replace(encoded=encoded, predicted=predicted), key, transcripts)
