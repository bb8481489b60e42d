"""Turns the n-grams of a model into the automaton that a search queries.

State 0 is the empty history, state 1 is <s>, and one state follows for each n-gram below the highest order, in their
order. The arc of an n-gram leads from the state of its prefix to its own state, or, if it has the highest order, to
that of its longest ending. A token without a unigram leads to state 0. States and arcs are those of NeMo's NGPU-LM.
"""

import numpy as np
from jaxtyping import Int

from jaxspeech.ngrams.model import BEGIN, END, LEAST, UNKNOWN, NgramModel
from jaxspeech.search.ngram import Ngram
from jaxspeech.search.ngram_graph import Graph, pack

ROOT, AFTER_BEGIN = 0, 1


def to_ngram(model: NgramModel) -> Ngram:
    """Returns the arrays of a model for a search."""
    return pack(to_graph(model), model.vocab_size, probability=True)


def to_graph(model: NgramModel) -> Graph:
    """Returns the automaton of a model; its arcs are sorted by state and label."""
    unknown, ends = -np.inf, [(np.array([ROOT]), np.array([-np.inf]))]
    backoffs, weights = [np.zeros(2, np.int64)], [np.zeros(2)]
    arcs: list[tuple[np.ndarray, ...]] = []
    keys, targets = np.zeros(0, np.int64), np.zeros(0, np.int64)  # of arcs to states of their own
    width = model.vocab_size - LEAST
    before, num_states = np.array([ROOT]), 2
    for n, table in enumerate(model.orders, start=1):
        sources, tokens = before[table.prefixes], table.tokens
        if n == 1:
            unknown = _weight_of(tokens, table.log_probs, UNKNOWN, default=-np.inf)
            weights[0][AFTER_BEGIN] = _weight_of(tokens, table.backoffs, BEGIN, default=0.0)
        real = (tokens >= 0) & (sources >= 0)
        ending = (tokens == END) & (sources >= 0)
        ends.append((sources[ending], table.log_probs[ending]))
        known = np.concatenate(backoffs)
        if n > 1:
            behind = _longest(known[sources[real]], tokens[real], keys, targets, known, width)
        else:
            behind = np.zeros(int(real.sum()), np.int64)
        own = np.full(len(tokens), -1)
        if n < len(model.orders):
            own[real] = np.arange(num_states, num_states + int(real.sum()))
            num_states += int(real.sum())
            backoffs.append(behind)
            weights.append(table.backoffs[real])
            keys = np.concatenate([keys, sources[real] * width + tokens[real]])
            targets = np.concatenate([targets, own[real]])
        arcs.append(
            (sources[real], tokens[real], table.log_probs[real], own[real] if n < len(model.orders) else behind)
        )
        before = own
        if n == 1:
            before[tokens == BEGIN] = AFTER_BEGIN
    missing = model.vocab_size - len(arcs[0][0])
    weights[0][ROOT] = unknown if model.unknown_each or missing <= 1 else unknown - np.log(missing)
    backoff, weight = np.concatenate(backoffs), np.concatenate(weights).astype(np.float32)
    finals = np.full(num_states, np.nan, np.float32)
    for states, log_probs in ends:
        finals[states] = log_probs
    first = 0
    for part in backoffs:  # each order backs off to lower ones
        states = np.arange(first, first + len(part))
        inherits = states[np.isnan(finals[states])]
        finals[inherits] = weight[inherits] + finals[backoff[inherits]]
        first += len(part)
    sources, labels, log_probs, following = map(np.concatenate, zip(*arcs, strict=True))
    return Graph(sources, labels, log_probs.astype(np.float32), following, backoff, weight, finals, (ROOT, AFTER_BEGIN))


def _weight_of(tokens: np.ndarray, values: np.ndarray, token: int, *, default: float) -> float:
    found = values[tokens == token]
    return float(found[0]) if found.size else default


def _longest(
    states: Int[np.ndarray, " M"],
    tokens: Int[np.ndarray, " M"],
    keys: Int[np.ndarray, " K"],
    targets: Int[np.ndarray, " K"],
    backoffs: Int[np.ndarray, " S"],
    width: int,
) -> Int[np.ndarray, " M"]:
    """Returns the states after the tokens: of the longest ending of each history that has one."""
    found = np.zeros(len(states), np.int64)
    rows = np.arange(len(states))
    while rows.size:
        wanted = states * width + tokens[rows]
        place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        hit = keys[place] == wanted if len(keys) else np.zeros(len(rows), bool)
        found[rows[hit]] = targets[place[hit]]
        further = ~hit & (states != ROOT)
        rows, states = rows[further], backoffs[states[further]]
    return found
