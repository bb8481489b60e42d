"""Connectionist temporal classification: the loss, with its gradient from occupancies.

A transcript y_1 .. y_U is read off any path over T frames once repeats are merged and blanks dropped. With
p_t(k) = softmax(logits_t)_k, and a_t[u] (b_t[u]) the probability of all paths that have emitted u labels by
frame t and are on label u (on the blank behind it),

    a_t[u] = p_t(y_u)   (a_{t-1}[u] + b_{t-1}[u-1] + [y_u != y_{u-1}] a_{t-1}[u-1])
    b_t[u] = p_t(blank) (b_{t-1}[u] + a_{t-1}[u])
    loss   = -log(a_T[U] + b_T[U])
    d loss / d logits_t(k) = p_t(k) - occupancy_t(k)

where the occupancy is the share of the total that passes through symbol k at frame t: the product of this recursion
and of the same one run backwards. Both directions run in one scan. Log-probabilities are never stored: only each
frame's normaliser, and the columns of the logits that the transcript and the blank name.

Source: Graves et al., "Connectionist Temporal Classification" (ICML 2006), equations 6 to 16.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

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
    """Negative log-likelihood of each transcript, in nats; float32 inside, whatever the dtype of the logits.

    Args:
      logits: raw scores of the W = V + 1 symbols, blank included; log-probabilities do as well.
      num_frames: real frames of each row; frames behind them may hold anything.
      labels: transcripts, without blanks.
      num_labels: real labels of each row; labels behind them may hold anything.
      blank_id: the blank's place among the W symbols.

    Returns:
      Losses [B], never negative. A transcript that cannot be emitted (it takes one frame for each label, and one
      more between equal neighbours; labels at or above W never fit) has the loss inf and a zero gradient. NaN comes
      only from real logits that are NaN or +inf, so that a diverged model is not mistaken for short audio.
    """
    return _ctc(jnp.asarray(logits), jnp.asarray(num_frames), jnp.asarray(labels), jnp.asarray(num_labels), blank_id)


class _Emissions(NamedTuple):
    """Probabilities of the symbols that matter: time first, utterances last, where they vectorise."""

    label: Extended  # [T U B]
    blank: Extended  # [T 1 B]
    skip: Bool[Array, "U *B"]  # label u may follow label u - 1 without a blank between them


class _States(NamedTuple):
    """Probabilities of all paths that stand on each label, and on the blank before the first or behind a label."""

    label: Extended  # [U B]
    blank: Extended  # [U+1 B]


class _Residuals(NamedTuple):
    """What the gradient needs: it is the softmax, but for the few symbols of the transcript."""

    logits: Float[Array, "B T W"]
    normalizer: Float[Array, "B T"]  # log sum exp of each frame's logits
    symbols: Int[Array, "B N"]  # the labels and the blank: N = U + 1
    gradient: Float[Array, "B T N"]  # softmax - occupancy of these symbols
    live: Bool[Array, "B T"]  # frames with a gradient: real ones, of rows that can be emitted


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

    # The backward direction starts where the forward one ends; an axis of two before B puts both into one scan.
    both = jax.tree.map(lambda *pair: jnp.stack(pair, -2), emissions, _reverse(emissions))
    last, states = _run(both, jnp.stack([start, jnp.flip(end, 0)], -2), keep=True)
    total = _total(jax.tree.map(lambda x: x[..., 0, :], last), end)
    forward = jax.tree.map(lambda x: x[..., 0, :], states)
    backward = jax.tree.map(lambda x: jnp.flip(x[..., 1, :], (0, 1)), states)

    def share(forward: Extended, backward: Extended, emission: Extended) -> Float[Array, "T N B"]:
        # Both directions hold the emission. Dividing first keeps zero times zero over zero at zero.
        return to_float(divide(multiply(divide(forward, emission), backward), total))

    label = share(forward.label, backward.label, emissions.label)
    blank = share(forward.blank, backward.blank, emissions.blank).sum(1, keepdims=True)
    # A symbol that occurs several times gets the sum of its occupancies at each of its places.
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
    # Setting, not adding: places that share a symbol hold the same value, so the order cannot matter.
    put = jax.vmap(jax.vmap(lambda row, index, x: row.at[index].set(x, mode="drop"), (0, None, 0)))
    return put(grad, symbols, values), None, None, None


_ctc.defvjp(_ctc_forward, _ctc_backward)


def _symbols(labels, num_labels, blank_id: int) -> Int[Array, "B N"]:
    """The labels, padding replaced by the blank, and the blank itself."""
    real = jnp.where(length_mask(num_labels, labels.shape[1]), labels, blank_id)
    return jnp.pad(real, ((0, 0), (0, 1)), constant_values=blank_id)


def _log_probs(logits, normalizer, symbols) -> Float[Array, "B T N"]:
    columns = jnp.take_along_axis(logits, symbols[:, None, :], axis=2, mode="fill", fill_value=-jnp.inf)
    return columns.astype(jnp.float32) - normalizer[:, :, None]


def _emissions(log_probs, num_frames, symbols) -> _Emissions:
    # A padding frame is a blank that costs nothing: it keeps the state, at the end or, backwards, at the start.
    num_frames_axis, num_labels_axis = log_probs.shape[1], symbols.shape[1] - 1
    free = jnp.where(jnp.arange(symbols.shape[1]) == num_labels_axis, 0.0, -jnp.inf)
    log_probs = jnp.where(length_mask(num_frames, num_frames_axis)[:, :, None], log_probs, free)
    probs = from_log(log_probs.transpose(1, 2, 0))
    label, blank = (jax.tree.map(lambda x, part=part: x[:, part], probs) for part in (slice(-1), slice(-1, None)))
    skip = symbols[:, :-1] != jnp.roll(symbols[:, :-1], 1, axis=1)
    # The barrier keeps XLA from fusing this, exponentials and all, into each of its several readers.
    return jax.lax.optimization_barrier(_Emissions(label, blank, skip.T))


def _reverse(emissions: _Emissions) -> _Emissions:
    """The same lattice, from its end to its start."""
    label, blank = jax.tree.map(lambda x: jnp.flip(x, (0, 1)), (emissions.label, emissions.blank))
    return _Emissions(label, blank, jnp.roll(jnp.flip(emissions.skip, 0), 1, axis=0))


def _boundaries(labels, num_labels) -> tuple[Bool[Array, "N B"], Bool[Array, "N B"]]:
    """Marks of the first blank, and of the blank behind the last label."""
    place = jnp.arange(labels.shape[1] + 1)[:, None]
    return place == jnp.zeros_like(num_labels), place == num_labels


def _run(emissions: _Emissions, start: Bool[Array, "N *rows"], *, keep: bool) -> tuple[_States, _States | None]:
    """The states behind the last frame, and where `keep` is set those behind every frame."""
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
    return jax.lax.scan(step, first, (emissions.label, emissions.blank))


def _total(last: _States, end: Bool[Array, "N B"]) -> Extended:
    """Probability of all paths that end on the last label or on the blank behind it."""

    def read(states: Extended, place: Bool[Array, "N B"]) -> Extended:
        picked = where(place, states)
        return Extended(jnp.where(place, picked.mantissa, 0).sum(0), picked.exponent.max(0, initial=zeros(()).exponent))

    return add(read(last.label, end[1:]), read(last.blank, end))


def _loss(total: Extended, normalizer: Float[Array, "B T"], num_frames) -> Float[Array, " B"]:
    sound = (jnp.isfinite(normalizer) | ~length_mask(num_frames, normalizer.shape[1])).all(axis=1)
    return jnp.where(sound, jnp.maximum(-to_log(total), 0), jnp.nan)
