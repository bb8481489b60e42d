"""Connectionist temporal classification: the loss, with its gradient from occupancies.

A path over T frames spells a transcript y_1 .. y_U if merging its repeats and dropping its blanks gives y. With
p_t(k) = softmax(logits_t)_k, and a_t[u] (b_t[u]) the probability of all paths that have emitted u labels by
frame t and are in label u (in the blank after it),

    a_t[u] = p_t(y_u)   (a_{t-1}[u] + b_{t-1}[u-1] + [y_u != y_{u-1}] a_{t-1}[u-1])
    b_t[u] = p_t(blank) (b_{t-1}[u] + a_{t-1}[u])
    loss   = -log(a_T[U] + b_T[U])
    d loss / d logits_t(k) = p_t(k) - occupancy_t(k)

where the occupancy is the posterior probability of symbol k at frame t: the product of this recursion and the same one
run backwards, divided by the total. Both directions run in one scan. The log-probabilities of all symbols are never
stored: only each frame's normaliser, and the columns of the transcript's labels and the blank.

Source: Graves et al., "Connectionist Temporal Classification" (ICML 2006), equations 6 to 16.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.loops import scan
from jaxspeech.losses.extended import (
    Extended,
    add,
    divide,
    from_log,
    indicator,
    multiply,
    to_float,
    to_log,
    where,
    zeros,
)
from jaxspeech.masks import length_mask


@partial(jax.jit, static_argnames="blank_id")
def ctc_loss(
    logits: Float[Any, "B T W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
) -> Float[Array, " B"]:
    """Computes the negative log-likelihood of each transcript, in nats; in float32 whatever the dtype of the logits.

    Args:
      logits: unnormalised scores, or log-probabilities, of the W = V + 1 symbols including the blank.
      num_frames: real frames of each row; padding may hold anything.
      labels: transcripts, without blanks.
      num_labels: real labels of each row; padding may hold anything.
      blank_id: index of the blank among the W symbols.

    Returns:
      Losses [B], never negative. An infeasible transcript has the loss inf and a zero gradient: one that is too long
      (each label needs a frame, and equal neighbours one more between them), or with labels at or above W. NaN results
      only from real logits that are NaN or +inf, so that a diverged model is not mistaken for short audio.
    """
    return _ctc(jnp.asarray(logits), jnp.asarray(num_frames), jnp.asarray(labels), jnp.asarray(num_labels), blank_id)


class _Emissions(NamedTuple):
    """Probabilities of the transcript's symbols; time is the first axis and the batch the last, for vectorisation."""

    label: Extended  # [T U B]
    blank: Extended  # [T 1 B]
    skip: Bool[Array, "U *B"]  # label u may follow label u - 1 without a blank between them


class _States(NamedTuple):
    """Probabilities of all paths in each label, and in each blank: before the first label or after a label."""

    label: Extended  # [U B]
    blank: Extended  # [U+1 B]


class _Residuals(NamedTuple):
    """Saved for the gradient, which is the softmax except for the symbols of the transcript."""

    logits: Float[Array, "B T W"]
    normalizer: Float[Array, "B T"]  # log sum exp of each frame's logits
    symbols: Int[Array, "B N"]  # the labels and the blank: N = U + 1
    gradient: Float[Array, "B T N"]  # softmax - occupancy of these symbols
    live: Bool[Array, "B T"]  # frames with a gradient: not padding, in feasible rows


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _ctc(logits, num_frames, labels, num_labels, blank_id):
    symbols = _symbols(labels, num_labels, blank_id)
    normalizer = jax.nn.logsumexp(logits.astype(jnp.float32), axis=-1)
    start, end = _boundaries(labels, num_labels)
    last, _ = _run(_emissions(_log_probs(logits, normalizer, symbols), num_frames, symbols), start, keep=False)
    return _loss(_total(last, end), normalizer, num_frames)


def _ctc_forward(logits, num_frames, labels, num_labels, blank_id):
    symbols = _symbols(labels, num_labels, blank_id)
    normalizer = jax.nn.logsumexp(logits.astype(jnp.float32), axis=-1)
    log_probs = _log_probs(logits, normalizer, symbols)
    emissions = _emissions(log_probs, num_frames, symbols)
    start, end = _boundaries(labels, num_labels)

    # The backward recursion is a forward one over the reversed lattice; both run in one scan, on an axis of size 2.
    both = jax.tree.map(lambda *pair: jnp.stack(pair, -2), emissions, _reverse(emissions))
    last, states = _run(both, jnp.stack([start, jnp.flip(end, 0)], -2), keep=True)
    total = _total(jax.tree.map(lambda x: x[..., 0, :], last), end)
    forward = jax.tree.map(lambda x: x[..., 0, :], states)
    backward = jax.tree.map(lambda x: jnp.flip(x[..., 1, :], (0, 1)), states)

    def share(forward: Extended, backward: Extended, emission: Extended) -> Float[Array, "T N B"]:
        # Both directions include the emission. Dividing before multiplying makes 0 * 0 / 0 zero.
        return to_float(divide(multiply(divide(forward, emission), backward), total))

    label = share(forward.label, backward.label, emissions.label)
    blank = share(forward.blank, backward.blank, emissions.blank).sum(1, keepdims=True)
    # Each occurrence of a repeated symbol gets the sum of the occupancies of all of them.
    same = (symbols[:, :, None] == symbols[:, None, :]).astype(jnp.float32)
    occupancy = jnp.einsum("tnb,bnm->btm", jnp.concatenate([label, blank], 1), same, precision="highest")

    loss = _loss(total, normalizer, num_frames)
    live = length_mask(num_frames, logits.shape[1]) & (loss != jnp.inf)[:, None]
    return loss, _Residuals(logits, normalizer, symbols, jnp.exp(log_probs) - occupancy, live)


def _ctc_backward(blank_id, residuals: _Residuals, cotangent: Float[Array, " B"]):
    logits, normalizer, symbols, gradient, live = residuals
    softmax = jnp.exp(logits.astype(jnp.float32) - normalizer[:, :, None])
    scale, live = cotangent[:, None, None], live[:, :, None]
    grad = jnp.where(live, scale * softmax, 0).astype(logits.dtype)
    values = jnp.where(live, scale * gradient, 0).astype(logits.dtype)
    # Set instead of add: all occurrences of a symbol hold the same value, so their order does not matter.
    put = jax.vmap(jax.vmap(lambda row, index, x: row.at[index].set(x, mode="drop"), (0, None, 0)))
    return put(grad, symbols, values), None, None, None


_ctc.defvjp(_ctc_forward, _ctc_backward)


def _symbols(labels, num_labels, blank_id: int) -> Int[Array, "B N"]:
    """Returns the labels, with padding replaced by the blank, and the blank itself as the last symbol."""
    real = jnp.where(length_mask(num_labels, labels.shape[1]), labels, blank_id)
    return jnp.pad(real, ((0, 0), (0, 1)), constant_values=blank_id)


def _log_probs(logits, normalizer, symbols) -> Float[Array, "B T N"]:
    columns = jnp.take_along_axis(logits, symbols[:, None, :], axis=2, mode="fill", fill_value=-jnp.inf)
    return columns.astype(jnp.float32) - normalizer[:, :, None]


def _emissions(log_probs, num_frames, symbols) -> _Emissions:
    # A padding frame is a blank of probability 1, which keeps the state: at the end, or at the start when reversed.
    num_frames_axis, num_labels_axis = log_probs.shape[1], symbols.shape[1] - 1
    free = jnp.where(jnp.arange(symbols.shape[1]) == num_labels_axis, 0.0, -jnp.inf)
    log_probs = jnp.where(length_mask(num_frames, num_frames_axis)[:, :, None], log_probs, free)
    probs = from_log(log_probs.transpose(1, 2, 0))
    label, blank = (jax.tree.map(lambda x, part=part: x[:, part], probs) for part in (slice(-1), slice(-1, None)))
    skip = symbols[:, :-1] != jnp.roll(symbols[:, :-1], 1, axis=1)
    # The barrier stops XLA from fusing this, with its exponentials, into each of its consumers.
    return jax.lax.optimization_barrier(_Emissions(label, blank, skip.T))


def _reverse(emissions: _Emissions) -> _Emissions:
    """Reverses the lattice in time and labels."""
    label, blank = jax.tree.map(lambda x: jnp.flip(x, (0, 1)), (emissions.label, emissions.blank))
    return _Emissions(label, blank, jnp.roll(jnp.flip(emissions.skip, 0), 1, axis=0))


def _boundaries(labels, num_labels) -> tuple[Bool[Array, "N B"], Bool[Array, "N B"]]:
    """Returns masks of the first blank, and of the blank after the last label."""
    place = jnp.arange(labels.shape[1] + 1)[:, None]
    return place == jnp.zeros_like(num_labels), place == num_labels


def _run(emissions: _Emissions, start: Bool[Array, "N *rows"], *, keep: bool) -> tuple[_States, _States | None]:
    """Returns the states after the last frame and, with `keep`, those after every frame."""
    nothing = zeros((1, *start.shape[1:]))

    def step(states: _States, emission: tuple[Extended, Extended]):
        label, blank = states
        previous = jax.tree.map(lambda x, y: jnp.concatenate([x, y]), nothing, label)
        left, left_blank = jax.tree.map(lambda x: x[:-1], (previous, blank))
        states = _States(
            label=multiply(add(label, left_blank, where(emissions.skip, left)), emission[0]),
            blank=multiply(add(blank, previous), emission[1]),
        )
        return states, states if keep else None

    first = _States(zeros(emissions.skip.shape), indicator(start))
    return scan(step, first, (emissions.label, emissions.blank))


def _total(last: _States, end: Bool[Array, "N B"]) -> Extended:
    """Sums the paths that end in the last label or in the blank after it."""

    def read(states: Extended, place: Bool[Array, "N B"]) -> Extended:
        picked = where(place, states)
        return Extended(jnp.where(place, picked.mantissa, 0).sum(0), picked.exponent.max(0, initial=zeros(()).exponent))

    return add(read(last.label, end[1:]), read(last.blank, end))


def _loss(total: Extended, normalizer: Float[Array, "B T"], num_frames) -> Float[Array, " B"]:
    sound = (jnp.isfinite(normalizer) | ~length_mask(num_frames, normalizer.shape[1])).all(axis=1)
    return jnp.where(sound, jnp.maximum(-to_log(total), 0), jnp.nan)
