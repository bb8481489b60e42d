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

Memory: a second copy of the emission log-probabilities, laid out along the diagonals; and alpha and beta, each 8 bytes
per node.

Source: Graves, "Sequence Transduction with Recurrent Neural Networks" (2012), equations 16 to 20, with the arcs of
`losses.topology`.
"""

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
from jaxspeech.losses.topology import Arc
from jaxspeech.masks import length_mask


def log_total(
    log_probs: Float[Array, "B T N C"],
    num_frames: Int[Array, " B"],
    num_labels: Int[Array, " B"],
    arcs: tuple[Arc, ...],
) -> Float[Array, " B"]:
    """Computes the log of the total probability of each row's paths; -inf for a row without a path."""
    diagonals = _skew(_real(log_probs, num_frames, num_labels))

    def step(later: tuple[Extended, ...], n: Int[Array, ""]):
        return _beta(later, diagonals[n], n, num_frames, num_labels, arcs), None

    later, _ = jax.lax.scan(step, _nothing(diagonals, arcs), jnp.arange(len(diagonals)), reverse=True)
    return to_log(jax.tree.map(lambda x: x[0], later[0]))


def occupancies(
    log_probs: Float[Array, "B T N C"],
    num_frames: Int[Array, " B"],
    num_labels: Int[Array, " B"],
    arcs: tuple[Arc, ...],
    *,
    emission_weight: float = 1.0,
) -> tuple[Float[Array, " B"], Float[Array, "B T N C"]]:
    """Computes `log_total`, and the posterior probability of each emission at each node (its occupancy).

    Occupancies of arcs that emit a label are multiplied by `emission_weight`. They are zero in rows without a path.
    """
    diagonals = _skew(_real(log_probs, num_frames, num_labels))
    last = len(diagonals) - 1

    def step(carry: tuple[tuple[Extended, ...], tuple[Extended, ...]], n: Int[Array, ""]):
        pending, later = carry
        alpha, pending = _alpha(pending, diagonals[n], n, num_frames, arcs)
        later = _beta(later, diagonals[last - n], last - n, num_frames, num_labels, arcs)
        return (pending, later), (alpha, later[0])

    nothing = _nothing(diagonals, arcs)
    start = indicator(jnp.zeros(nothing[0].exponent.shape, bool).at[0].set(True))
    _, (alpha, beta) = jax.lax.scan(step, ((start, *nothing[1:]), nothing), jnp.arange(last + 1))
    beta = jax.tree.map(lambda x: jnp.flip(x, 0), beta)
    total = jax.tree.map(lambda x: x[0, 0], beta)

    probs = _arc_probs(diagonals, jnp.arange(last + 1)[:, None, None], num_frames, arcs)
    shares = [jnp.zeros(alpha.mantissa.shape)] * log_probs.shape[-1]
    for arc, prob in zip(arcs, probs, strict=True):
        through = multiply(multiply(alpha, prob), _ahead(beta, arc))
        share = to_float(divide(through, total)) * (emission_weight if arc.emits else 1.0)
        for factor in arc.factors:
            shares[factor] += share
    log_prob = to_log(total)
    shares = _unskew(jnp.stack(shares, 1), log_probs.shape[1])
    return log_prob, jnp.where((log_prob > -jnp.inf)[:, None, None, None], shares, 0)


def _alpha(
    pending: tuple[Extended, ...], log_probs: Float[Array, "C N B"], n: Int[Array, ""], num_frames, arcs
) -> tuple[Extended, tuple[Extended, ...]]:
    """Returns alpha of diagonal n, and the sums that it and earlier diagonals contribute to each of the next ones."""
    alpha, waiting = pending[0], pending[1:]
    arriving: list[list[Extended]] = [[x] for x in waiting] + [[]]
    for arc, prob in zip(arcs, _arc_probs(log_probs, n, num_frames, arcs), strict=True):
        flow = multiply(alpha, prob)
        arriving[arc.reach - 1].append(_shift_up(flow) if arc.emits else flow)
    return alpha, tuple(add(*terms) for terms in arriving)


def _beta(
    later: tuple[Extended, ...],
    log_probs: Float[Array, "C N B"],
    n: Int[Array, ""],
    num_frames,
    num_labels,
    arcs: tuple[Arc, ...],
) -> tuple[Extended, ...]:
    """Returns beta of diagonal n and of the following ones, nearest first, as many as an arc can reach."""
    place = jnp.arange(log_probs.shape[1])[:, None]
    end = (place == num_labels) & (n == num_frames + num_labels) & (num_frames > 0)
    terms = [indicator(end)]
    for arc, prob in zip(arcs, _arc_probs(log_probs, n, num_frames, arcs), strict=True):
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


def _skew(x: Float[Array, "B T N C"]) -> Float[Array, "n C N B"]:
    """Arranges nodes by the T + N anti-diagonals n = t + u; -inf where t is out of range."""
    rows, frames, places, columns = x.shape
    # Padded to rows of T + N + 1 and read in rows of T + N, label row u is shifted right by u.
    padded = jnp.pad(x.transpose(2, 1, 3, 0), ((0, 0), (0, places + 1), (0, 0), (0, 0)), constant_values=-jnp.inf)
    flat = padded.reshape(places * (frames + places + 1), columns, rows)[: places * (frames + places)]
    return flat.reshape(places, frames + places, columns, rows).transpose(1, 2, 0, 3)


def _unskew(x: Float[Array, "n C N B"], frames: int) -> Float[Array, "B T N C"]:
    """Inverts `_skew`."""
    diagonals, columns, places, rows = x.shape
    flat = x.transpose(2, 0, 1, 3).reshape(places * diagonals, columns, rows)
    padded = jnp.pad(flat, ((0, places), (0, 0), (0, 0))).reshape(places, diagonals + 1, columns, rows)
    return padded[:, :frames].transpose(3, 1, 0, 2)
