"""The lattice of a transducer: every path from (frame 0, no label) to (all frames, all labels), summed.

At node (t, u), t frames are consumed and u labels emitted. An arc to another node consumes `frames` frames and emits
the next label or none; its probability is the product of one or more emission probabilities. With p_a(t, u) the
probability of arc a,

    alpha(t, u) = sum_a alpha(t - frames_a, u - emits_a) p_a(t - frames_a, u - emits_a),   alpha(0, 0) = 1
    beta(t, u)  = sum_a p_a(t, u) beta(t + frames_a, u + emits_a),                         beta(T, U) = 1
    total       = beta(0, 0)
    occupancy_a(t, u) = alpha(t, u) p_a(t, u) beta(t + frames_a, u + emits_a) / total

An arc that emits a label must end before frame T; one that does not may also end at (T, U). The nodes of an
anti-diagonal n = t + u depend only on nodes with smaller n, so one scan over n computes both directions, alpha upwards
and beta downwards: T + U + 1 steps on vectors [U+1, B]. An arc reaches frames + emits diagonals ahead.

A W-Transducer has arcs of weight w from (0, 0) to (t, 0), t = 1 .. T - 1, and from (t, U), t = 0 .. T - 2, to
(T - 1, U) or (T, U) (`losses.topology.Wildcard`). No diagonal holds what they pass over, so the scan sums it apart, and

    total = beta(0, 0) + w sum_{t = 1 .. T - 1} beta(t, 0)

Memory: a second copy of the emission log-probabilities, laid out along the diagonals; and alpha and beta, each 8 bytes
per node.

Sources: Graves, "Sequence Transduction with Recurrent Neural Networks" (2012), equations 16 to 20, with the arcs of
`losses.topology`; Laptev et al., "Powerful and Extensible WFST Framework for RNN-Transducer Losses" (2023).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.loops import scan
from jaxspeech.losses.diagonals import skew, unskew
from jaxspeech.losses.extended import (
    Extended,
    add,
    add_all,
    divide,
    from_log,
    indicator,
    multiply,
    to_float,
    to_log,
    where,
    zeros,
)
from jaxspeech.losses.topology import Arc, Topology, Wildcard
from jaxspeech.masks import length_mask


class _Lattice(NamedTuple):
    """What does not depend on the diagonal."""

    arcs: tuple[Arc, ...]
    num_frames: Int[Array, " B"]
    num_labels: Int[Array, " B"]
    wildcard: Wildcard | None
    weight: Extended  # of an arc that skips frames; zero without such arcs
    ending: Extended  # [B]: of the arcs from where the last ones of them end


def log_total(
    log_probs: Float[Array, "B T N C"],
    num_frames: Int[Array, " B"],
    num_labels: Int[Array, " B"],
    topology: Topology,
) -> Float[Array, " B"]:
    """Computes the log of the total probability of each row's paths; -inf for a row without a path."""
    log_probs = _real(log_probs, num_frames, num_labels)
    lattice = _lattice(log_probs, num_frames, num_labels, topology)
    diagonals = skew(log_probs)

    def step(later: tuple[Extended, ...], n: Int[Array, ""]):
        later = _beta(later, diagonals[n], n, lattice)
        return later, jax.tree.map(lambda x: x[0], later[0])

    _, beta = scan(step, _nothing(diagonals, lattice.arcs), jnp.arange(len(diagonals)), reverse=True)
    return to_log(_total(beta, lattice))


def occupancies(
    log_probs: Float[Array, "B T N C"],
    num_frames: Int[Array, " B"],
    num_labels: Int[Array, " B"],
    topology: Topology,
    *,
    emission_weight: float = 1.0,
) -> tuple[Float[Array, " B"], Float[Array, "B T N C"]]:
    """Computes `log_total`, and the posterior probability of each emission at each node (its occupancy).

    Occupancies of arcs that emit a label are multiplied by `emission_weight`. They are zero in rows without a path.
    """
    log_probs = _real(log_probs, num_frames, num_labels)
    lattice = _lattice(log_probs, num_frames, num_labels, topology)
    diagonals = skew(log_probs)
    last = len(diagonals) - 1

    def step(carry: tuple[tuple[Extended, ...], Extended, tuple[Extended, ...]], n: Int[Array, ""]):
        pending, skipping, later = carry
        alpha, pending, skipping = _alpha(pending, skipping, diagonals[n], n, lattice)
        later = _beta(later, diagonals[last - n], last - n, lattice)
        return (pending, skipping, later), (alpha, later[0])

    nothing = _nothing(diagonals, lattice.arcs)
    start = indicator(jnp.zeros(nothing[0].exponent.shape, bool).at[0].set(True))
    carry = (start, *nothing[1:]), nothing[0], nothing
    _, (alpha, beta) = scan(step, carry, jnp.arange(last + 1))
    beta = jax.tree.map(lambda x: jnp.flip(x, 0), beta)
    total = _total(jax.tree.map(lambda x: x[:, 0], beta), lattice)

    probs = _arc_probs(diagonals, jnp.arange(last + 1)[:, None, None], num_frames, lattice.arcs)
    shares = [jnp.zeros(alpha.mantissa.shape)] * log_probs.shape[-1]
    for arc, prob in zip(lattice.arcs, probs, strict=True):
        through = multiply(multiply(alpha, prob), _ahead(beta, arc))
        share = to_float(divide(through, total)) * (emission_weight if arc.emits else 1.0)
        for factor in arc.factors:
            shares[factor] += share
    log_prob = to_log(total)
    shares = unskew(jnp.stack(shares, 1), log_probs.shape[1])
    return log_prob, jnp.where((log_prob > -jnp.inf)[:, None, None, None], shares, 0)


def _lattice(log_probs: Float[Array, "B T N C"], num_frames: Array, num_labels: Array, topology: Topology) -> _Lattice:
    wildcard, rows = topology.wildcard, log_probs.shape[:1]
    weight, ending = zeros(()), zeros(rows)
    if wildcard is not None:
        weight, ending = from_log(jnp.asarray(wildcard.log_weight)), indicator(jnp.ones(rows, bool))
    if wildcard is not None and wildcard.last_blank:
        last = log_probs[jnp.arange(rows[0]), jnp.maximum(num_frames - 1, 0), num_labels]
        blanks = [arc.factors for arc in topology.arcs if not arc.emits and arc.frames == 1]
        ending = add(zeros(rows), *(from_log(last[:, jnp.asarray(factors)].sum(-1)) for factors in blanks))
    return _Lattice(topology.arcs, num_frames, num_labels, wildcard, weight, ending)


def _total(beta: Extended, lattice: _Lattice) -> Extended:
    """Sums all paths [B], from beta [T + N, B] of the nodes without a label."""
    first = jax.tree.map(lambda x: x[0], beta)
    if lattice.wildcard is None:
        return first
    t = jnp.arange(len(beta.exponent))[:, None]
    later = add_all(where((t > 0) & (t < lattice.num_frames), beta))
    return add(first, multiply(lattice.weight, later))


def _alpha(
    pending: tuple[Extended, ...], skipping: Extended, log_probs: Float[Array, "C N B"], n: Int[Array, ""], lattice
) -> tuple[Extended, tuple[Extended, ...], Extended]:
    """Returns alpha of diagonal n, and the sums that it and earlier diagonals contribute to each of the next ones.

    The last value is what skips to frame T - 1, at the place of the last label.
    """
    alpha, waiting = pending[0], pending[1:]
    if lattice.wildcard is not None:
        alpha, skipping = _alpha_of_skips(alpha, skipping, n, lattice)
    arriving: list[list[Extended]] = [[x] for x in waiting] + [[]]
    for arc, prob in zip(lattice.arcs, _arc_probs(log_probs, n, lattice.num_frames, lattice.arcs), strict=True):
        flow = multiply(alpha, prob)
        arriving[arc.reach - 1].append(_shift_up(flow) if arc.emits else flow)
    return alpha, tuple(add(*terms) for terms in arriving), skipping


def _alpha_of_skips(
    alpha: Extended, skipping: Extended, n: Int[Array, ""], lattice: _Lattice
) -> tuple[Extended, Extended]:
    """Adds to alpha what arrives by skipping frames, and to `skipping` what leaves."""
    place = jnp.arange(alpha.mantissa.shape[0])[:, None]
    t, num_frames, all_emitted = n - place, lattice.num_frames, place == lattice.num_labels
    entering = multiply(lattice.weight, indicator((place == 0) & (t > 0) & (t < num_frames)))
    if lattice.wildcard is None or not lattice.wildcard.last_blank:
        return add(alpha, entering), skipping
    alpha = add(alpha, entering, where(all_emitted & (t == num_frames - 1), skipping))
    leaving = multiply(lattice.weight, where(all_emitted & (t < num_frames - 1), alpha))
    return alpha, add(skipping, leaving)


def _beta(
    later: tuple[Extended, ...], log_probs: Float[Array, "C N B"], n: Int[Array, ""], lattice: _Lattice
) -> tuple[Extended, ...]:
    """Returns beta of diagonal n and of the following ones, nearest first, as many as an arc can reach."""
    num_frames = lattice.num_frames
    place = jnp.arange(log_probs.shape[1])[:, None]
    all_emitted = place == lattice.num_labels
    end = all_emitted & (n == num_frames + lattice.num_labels) & (num_frames > 0)
    terms = [indicator(end)]
    if lattice.wildcard is not None:
        t = n - place
        skips = multiply(lattice.weight, where(all_emitted & (t >= 0) & (t < num_frames - 1), lattice.ending))
        terms.append(skips)
    for arc, prob in zip(lattice.arcs, _arc_probs(log_probs, n, num_frames, lattice.arcs), strict=True):
        ahead: Extended = later[arc.reach - 1]
        terms.append(multiply(prob, _shift_down(ahead, 0) if arc.emits else ahead))
    return (add(*terms), *later[:-1])


def _arc_probs(log_probs: Float[Array, "*n C N B"], n: Int[Array, "..."], num_frames, arcs) -> list[Extended]:
    """Computes the probability of each arc from each node of diagonal n; zero if it would leave the lattice."""
    place = jnp.arange(log_probs.shape[-2])[:, None]
    probs = []
    for arc in arcs:
        lands = n - place + arc.frames
        stays = lands < num_frames if arc.emits else lands <= num_frames  # no arc leaves (T, u < U)
        log_prob = sum((log_probs[..., factor, :, :] for factor in arc.factors), start=jnp.zeros(()))
        probs.append(where(stays, from_log(log_prob)))
    return probs


def _ahead(beta: Extended, arc: Arc) -> Extended:
    """Returns for every node the beta of the node at the end of the arc."""
    nothing = zeros((arc.reach, *beta.mantissa.shape[1:]))
    ahead = jax.tree.map(lambda x, y: jnp.concatenate([x[arc.reach :], y]), beta, nothing)
    return _shift_down(ahead, 1) if arc.emits else ahead


def _shift_up(x: Extended) -> Extended:
    """Moves each value to the next label; zero at the first."""
    return jax.tree.map(lambda x, y: jnp.concatenate([y, x[:-1]]), x, zeros((1, *x.mantissa.shape[1:])))


def _shift_down(x: Extended, axis: int) -> Extended:
    """Moves to each label the value of the next one; zero at the last."""
    shape = list(x.mantissa.shape)
    shape[axis] = 1
    rest = [slice(None)] * axis
    return jax.tree.map(lambda x, y: jnp.concatenate([x[(*rest, slice(1, None))], y], axis), x, zeros(tuple(shape)))


def _nothing(diagonals: Float[Array, "n C N B"], arcs: tuple[Arc, ...]) -> tuple[Extended, ...]:
    """Returns zeros for as many diagonals as an arc can reach."""
    return (zeros(diagonals.shape[2:]),) * max(arc.reach for arc in arcs)


def _real(log_probs, num_frames, num_labels) -> Float[Array, "B T N C"]:
    """Sets the padding to -inf, whatever it held."""
    return jnp.where(node_mask(num_frames, num_labels, log_probs)[..., None], log_probs, -jnp.inf)


def node_mask(num_frames, num_labels, x: Float[Array, "B T N *_"]) -> Bool[Array, "B T N"]:
    """Returns True for the nodes of each row that have outgoing arcs: t < num_frames and u <= num_labels."""
    return length_mask(num_frames, x.shape[1])[:, :, None] & length_mask(num_labels + 1, x.shape[2])[:, None, :]
