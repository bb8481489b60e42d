"""Transducer losses: RNN-T, multi-blank and TDT, from logits; `losses.transducer_joint` has them from a joint network.

At frame t, with u labels emitted, a model has logits of the labels and one or more blanks. A path emits labels, which
advance u by 1, and blanks, which advance t, until all frames and labels are consumed:

    RNN-T        a label stays in its frame, the blank advances by one frame
    multi-blank  as RNN-T; big blanks advance by their own durations
    TDT          every symbol has a duration from a second softmax, by which it advances; a blank's is at least 1
    loss         = -log(sum over all paths of the product of their probabilities)
    d loss / d logits(t, u) = passing(t, u) softmax(t, u) - occupancy(t, u)

where passing is the posterior of visiting node (t, u), and occupancy that of each symbol emitted there. A path never
ends with a label: its last symbol is a blank (in TDT and multi-blank one that ends exactly with the last frame). An
RNN-T or a TDT may be a hybrid autoregressive transducer (HAT), whose blank has a probability of its own; or a
W-Transducer, whose paths may skip frames at the beginning and the end, for transcripts that are parts (see
`losses.topology.Wildcard`).
`losses.lattice` sums the paths, `losses.emissions` converts between logits and the lattice, `losses.joint` does so for
the joint network in blocks of frames.

Memory beyond the inputs, in float32 numbers for each of the B T (U+1) nodes; C is the number of log-probabilities kept
for a node: 2 (RNN-T), 2 + the number of big blanks, or 2 + the number of durations (TDT).

    from logits   W for the gradient, which is as large as the logits, and about 3 C + 8
    from a joint  about 3 C + 8; and a block of W + J logits and hidden values with their gradients (a few MiB on a CPU)

Sources: Graves, "Sequence Transduction with Recurrent Neural Networks" (2012); Xu et al., "Multi-blank Transducers for
Speech Recognition" (2022); Xu et al., "Efficient Sequence Transduction by Jointly Predicting Tokens and Durations"
(2023); Yu et al., "FastEmit: Low-latency Streaming ASR with Sequence-level Emission Regularization" (2021); Laptev et
al., "Powerful and Extensible WFST Framework for RNN-Transducer Losses" (2023), to whose W-Transducer in NeMo
(asr/parts/k2/w_transducer.py) that of RNN-T is equal.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.losses.emissions import next_labels
from jaxspeech.losses.path_loss import Settings, Transcripts, logits_loss
from jaxspeech.losses.topology import multiblank, rnnt, tdt, wildcard_of

_STATIC = ("blank_id", "fastemit", "clamp", "hat", "wildcard", "wildcard_weight")


@partial(jax.jit, static_argnames=_STATIC)
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
    wildcard: str = "none",
    wildcard_weight: float = 0.0,
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
      wildcard: a W-Transducer's loss, for transcripts that may lack words at the beginning and the end: paths may skip
        any number of frames before the first and after the last label. "force_final": but the last frame, where they
        emit a blank; "allow_ignore": also this one; "none" is RNN-T.
      wildcard_weight: added to the log-probability of a path for each of the two skips; 0 costs nothing.

    Returns:
      Losses [B], never negative without wildcards. A row without a path (no frames, or labels at or above W) has the
      loss inf and a zero gradient. NaN results only from real logits that are NaN or +inf.

    Memory: the gradient, W float32 per node, of which there are B T (U+1), and about 14 more for the lattice.
    """
    skips = wildcard_of(wildcard, wildcard_weight)
    settings = Settings(rnnt(logits.shape[-1], blank_id, factored=hat, wildcard=skips), fastemit, clamp)
    return logits_loss(settings, jnp.asarray(logits), transcripts(num_frames, labels, num_labels))


@partial(jax.jit, static_argnames=(*_STATIC, "durations", "sigma"))
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
    wildcard: str = "none",
    wildcard_weight: float = 0.0,
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
    skips = wildcard_of(wildcard, wildcard_weight)
    topology = tdt(logits.shape[-1], blank_id, durations, sigma, factored=hat, wildcard=skips)
    settings = Settings(topology, fastemit, clamp)
    return logits_loss(settings, jnp.asarray(logits), transcripts(num_frames, labels, num_labels))


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
    return logits_loss(settings, jnp.asarray(logits), transcripts(num_frames, labels, num_labels))


def transcripts(num_frames: Any, labels: Any, num_labels: Any) -> Transcripts:
    """Returns the lengths and labels as the losses take them."""
    num_frames, labels, num_labels = (jnp.asarray(x) for x in (num_frames, labels, num_labels))
    return Transcripts(num_frames, next_labels(labels, num_labels), num_labels)
