"""Packs the arcs and backoffs of n-gram models and phrase trees into the arrays that a search queries."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxspeech.search.ngram import EMPTY, Ngram

# Arcs of a block on average, where a state has so many that it needs several.
_IN_BLOCK = 16
# Room for so many lists of phrases at least: one more or less needs no other program.
_FEWEST_LISTS = 16
# Multipliers that are tried before a block's region is doubled.
_TRIES = 16


class Graph(NamedTuple):
    """An automaton on the host, whose arcs are in any order.

    Attributes:
      sources, labels, weights, targets: of each arc. A state has at most one arc with a label.
      backoffs, backoff_weights: of each state. A root backs off to itself, with the weight of a token without an arc.
      finals: log p(</s> | state), backoffs included; zeros for phrases.
      starts: the states of an empty text: the empty history, and after <s>.
    """

    sources: Int[np.ndarray, " A"]
    labels: Int[np.ndarray, " A"]
    weights: Float[np.ndarray, " A"]
    targets: Int[np.ndarray, " A"]
    backoffs: Int[np.ndarray, " S"]
    backoff_weights: Float[np.ndarray, " S"]
    finals: Float[np.ndarray, " S"]
    starts: tuple[int, int]


def join(graphs: Sequence[Graph]) -> tuple[Graph, Int[np.ndarray, "M"]]:
    """Puts several automata side by side, so that each row of a batch can be in its own.

    Returns:
      The union, whose starts are those of the first; and the offset of each one's states. Add to it the start of the
      graph to get a row's state.
    """
    sizes = [len(graph.backoffs) for graph in graphs]
    offsets = np.cumsum([0, *sizes[:-1]])
    moved = [
        graph._replace(sources=graph.sources + offset, targets=graph.targets + offset, backoffs=graph.backoffs + offset)
        for graph, offset in zip(graphs, offsets, strict=True)
    ]
    arrays = [np.concatenate(field) for field in zip(*(graph[:-1] for graph in moved), strict=True)]
    return Graph(*arrays, starts=graphs[0].starts), offsets


def pack(graph: Graph, vocab_size: int, *, probability: bool) -> Ngram:
    """Returns the arrays that a search queries, on the default device.

    Args:
      vocab_size: V; every label is below it.
      probability: whether the weights are log-probabilities of a language model, rather than boosts.
    """
    graph = _arcs(graph, np.argsort(graph.sources.astype(np.int64) * vocab_size + graph.labels, kind="stable"))
    bounds = [_bound(graph, best) for best in (np.minimum, np.maximum)]
    roots, root_weights, root_targets = _roots(graph, vocab_size, fewest=1 if probability else _FEWEST_LISTS)
    graph = _arcs(graph, ~np.isin(graph.sources, roots))
    sources, labels = graph.sources.astype(np.int64), graph.labels.astype(np.int64)
    num_states = len(graph.backoffs)
    # Block 0 and slot 0 are those of states without arcs.
    shifts = _shifts(np.bincount(sources, minlength=num_states), vocab_size)
    count = np.where(shifts < 31, ((vocab_size - 1) >> np.minimum(shifts, 30)) + 1, 1)
    count[np.bincount(sources, minlength=num_states) == 0] = 0
    blocks = np.where(count, 1 + np.cumsum(count) - count, 0)
    blocks[roots] = np.arange(len(roots))
    num_blocks = 1 + int(count.sum())
    span = np.zeros(num_blocks, np.int64)  # labels differ within a block in their last `span` bits
    span[1:] = np.repeat(np.minimum(shifts, max(vocab_size - 1, 1).bit_length()), count)

    block = blocks[sources] + (labels >> shifts[sources])
    bits, multipliers = _regions(block, labels, span)
    size = np.where(np.bincount(block, minlength=num_blocks), 1 << bits, 0)
    offsets = np.where(size, 1 + np.cumsum(size) - size, 0)
    slots = offsets[block] + _hash(labels, multipliers[block], bits[block])

    num_slots = size_class(1 + int(size.sum()))
    places: Any = np.full(num_slots, EMPTY, np.int32), np.zeros(num_slots, np.float32), np.zeros(num_slots, np.int32)
    for array, values in zip(places, (labels, graph.weights, graph.targets), strict=True):
        array[slots] = values
    states, padded = size_class(num_states), size_class(num_blocks)
    return Ngram(
        tokens=jnp.asarray(np.arange(vocab_size, dtype=np.int32)),
        starts=jnp.asarray(np.array(graph.starts, np.int32)),
        root_weights=jnp.asarray(root_weights),
        root_targets=jnp.asarray(root_targets),
        blocks=_padded(blocks, states, np.int32),
        shifts=_padded(shifts, states, np.int32),
        offsets=_padded(offsets, padded, np.int32),
        multipliers=_padded(multipliers | bits.astype(np.uint32), padded, np.uint32),
        labels=jnp.asarray(places[0]),
        weights=jnp.asarray(places[1]),
        targets=jnp.asarray(places[2]),
        backoffs=_padded(graph.backoffs, states, np.int32),
        backoff_weights=_padded(graph.backoff_weights, states, np.float32),
        finals=_padded(graph.finals, states, np.float32),
        bounds=jnp.asarray(np.stack([_filled(bound, states, np.float32) for bound in bounds], axis=1)),
        probability=jnp.asarray(np.float32(probability)),
    )


def size_class(size: int) -> int:
    """Rounds a size up to 2^k or 3 * 2^k, at least 4096: models of similar sizes have arrays of equal shapes."""
    power = 1 << max(size - 1, 4095).bit_length()
    return power * 3 // 4 if size <= power * 3 // 4 and power > 4096 else power


def _arcs(graph: Graph, chosen: np.ndarray) -> Graph:
    """Returns the graph with the chosen arcs only, in their order."""
    fields = ("sources", "labels", "weights", "targets")
    return graph._replace(**{name: getattr(graph, name)[chosen] for name in fields})


def _roots(
    graph: Graph, vocab_size: int, *, fewest: int
) -> tuple[Int[np.ndarray, " M"], Float[np.ndarray, "R V"], Int[np.ndarray, "R V"]]:
    """Returns the M roots, and the weight and target of every token in each; R is M or `fewest`, a power of two."""
    roots = np.flatnonzero(graph.backoffs == np.arange(len(graph.backoffs)))
    size = max(fewest, 1 << max(len(roots) - 1, 0).bit_length())
    padded = np.pad(roots, (0, size - len(roots)))
    weights = np.repeat(graph.backoff_weights[padded].astype(np.float32)[:, None], vocab_size, axis=1)
    targets = np.repeat(padded.astype(np.int32)[:, None], vocab_size, axis=1)
    arcs = np.flatnonzero(np.isin(graph.sources, roots))
    places = np.searchsorted(roots, graph.sources[arcs]), graph.labels[arcs]
    weights[places], targets[places] = graph.weights[arcs], graph.targets[arcs]
    return roots, weights, targets


def _bound(graph: Graph, best: np.ufunc) -> Float[np.ndarray, " S"]:
    """Returns the least or largest score of each state: of its arcs, or its backoff weight + that of its backoff.

    Arcs are sorted by state.
    """
    root = graph.backoffs == np.arange(len(graph.backoffs))
    own = np.where(root, graph.backoff_weights, -best.reduce([-np.inf, np.inf])).astype(np.float64)
    first = np.flatnonzero(np.diff(graph.sources, prepend=-1))
    states = graph.sources[first]
    own[states] = best(own[states], best.reduceat(graph.weights, first)) if first.size else own[states]
    bound = own
    while True:
        further = np.where(root, own, best(own, graph.backoff_weights + bound[graph.backoffs]))
        if (further == bound).all():
            return bound
        bound = further


def _shifts(degrees: Int[np.ndarray, " S"], vocab_size: int) -> Int[np.ndarray, " S"]:
    """Returns the logarithm of the labels in each block of a state; 31 for states that need one block only."""
    labels = np.maximum(_IN_BLOCK * vocab_size // np.maximum(degrees, 1), 1)
    return np.where(degrees > _IN_BLOCK, np.log2(labels).astype(np.int64), 31)


def _regions(
    block: Int[np.ndarray, " A"], labels: Int[np.ndarray, " A"], span: Int[np.ndarray, " G"]
) -> tuple[Int[np.ndarray, " G"], Any]:
    """Finds the bits b and a multiplier of each block, with which its labels do not meet; arcs are sorted by block."""
    count = np.bincount(block, minlength=len(span))
    wanted = np.ceil(np.log2(np.maximum(count, np.maximum(count**2 / 4, 1)))).astype(np.int64)
    bits = np.minimum(wanted, span)
    # With as many slots as labels the last bits of the label are the slot.
    multipliers = np.where(bits == span, 1 << (32 - np.maximum(bits, 1)), 0).astype(np.uint32)
    multipliers[count <= 1] = 0
    generator = np.random.default_rng(0)
    arcs = np.flatnonzero((multipliers == 0)[block] & (count > 1)[block])
    tries = 0
    while arcs.size:
        new = np.diff(block[arcs], prepend=-1) > 0
        pending, inverse = block[arcs[new]], np.cumsum(new) - 1
        tries += 1
        if tries % _TRIES == 0:
            bits[pending] = np.minimum(bits[pending] + 1, span[pending])
        trial = generator.integers(1 << 26, dtype=np.uint32, size=len(pending)) * np.uint32(64) + np.uint32(32)
        full = bits[pending] == span[pending]
        trial[full] = 1 << (32 - bits[pending][full])
        size = 1 << bits[pending]
        place = (np.cumsum(size) - size)[inverse] + _hash(labels[arcs], trial[inverse], bits[pending][inverse])
        owner = np.empty(int(size.sum()), np.int64)
        owner[place] = arcs
        failed = np.bincount(inverse[owner[place] != arcs], minlength=len(pending)) > 0
        multipliers[pending[~failed]] = trial[~failed]
        arcs = arcs[failed[inverse]]
    return bits, multipliers


def _hash(labels: Int[np.ndarray, " A"], multipliers: Any, bits: Int[np.ndarray, " A"]) -> Int[np.ndarray, " A"]:
    return ((labels * multipliers.astype(np.int64)) & 0xFFFFFFFF) >> (32 - bits)


def _padded(array: np.ndarray, size: int, dtype: Any) -> Any:
    return jnp.asarray(_filled(array, size, dtype))


def _filled(array: np.ndarray, size: int, dtype: Any) -> np.ndarray:
    return np.pad(array.astype(dtype), (0, size - len(array)))
