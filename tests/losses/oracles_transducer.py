"""Transducer losses by walking every path, in float64: exponential in time, and independent of the package."""

from typing import NamedTuple

import numpy as np

from tests.losses.oracles import log_softmax

# The compiled functions of these tests are tiny: nearly all of their time is compilation.
QUICK_COMPILE = {"xla_backend_optimization_level": 0}


class Symbol(NamedTuple):
    """One step of a path: the frames and labels it advances by, and its logits' columns (None: the next label's)."""

    frames: int
    labels: int
    columns: tuple


def rnnt_symbols(blank_id):
    return [Symbol(0, 1, (None,)), Symbol(1, 0, (blank_id,))]


def multiblank_symbols(blank_id, big_blank_durations):
    big = [Symbol(d, 0, (blank_id - 1 - i,)) for i, d in enumerate(big_blank_durations)]
    return [*rnnt_symbols(blank_id), *big]


def tdt_symbols(blank_id, durations, num_tokens):
    labels = [Symbol(d, 1, (None, num_tokens + i)) for i, d in enumerate(durations)]
    blanks = [Symbol(d, 0, (blank_id, num_tokens + i)) for i, d in enumerate(durations) if d]
    return labels + blanks


def walk(frames, labels, symbols, t=0, u=0):
    """Yields every path from (t, u) to the end, as a list of (t, u, symbol)."""
    if (t, u) == (frames, labels):
        yield []
    elif t < frames:
        for symbol in symbols:
            there = t + symbol.frames, u + symbol.labels
            last = there == (frames, labels) and symbol.labels == 0
            if last or (there[0] < frames and there[1] <= labels):
                for rest in walk(frames, labels, symbols, *there):
                    yield [(t, u, symbol), *rest]


def enumerate_paths(logits, labels, symbols, *, num_durations=0, sigma=0.0, fastemit=0.0):
    """Computes loss and gradient of one utterance [T, U+1, W] by the definition.

    The gradient is that of -log of the sum of all paths, with the terms of label steps multiplied by 1 + fastemit.
    """
    frames, _, width = logits.shape
    parts = [slice(0, width - num_durations), slice(width - num_durations, width)][: 1 + bool(num_durations)]
    log_probs = np.concatenate([log_softmax(logits[..., part]) for part in parts], -1)
    log_probs[..., parts[0]] -= sigma
    total, taken = 0.0, np.zeros(log_probs.shape)
    for path in walk(frames, len(labels), symbols):
        steps = [(t, u, [labels[u] if c is None else c for c in s.columns], s.labels) for t, u, s in path]
        probability = np.exp(sum(log_probs[t, u, c] for t, u, columns, _ in steps for c in columns))
        total += probability
        for t, u, columns, emits in steps:
            taken[t, u, columns] += probability * (1 + fastemit * emits)
    if total == 0:
        return np.inf, np.zeros_like(log_probs)
    taken /= total
    softmax = np.concatenate([np.exp(log_softmax(logits[..., part])) for part in parts], -1)
    gradient = np.concatenate(
        [softmax[..., part] * taken[..., part].sum(-1, keepdims=True) - taken[..., part] for part in parts], -1
    )
    return -np.log(total) * (1 + fastemit), gradient


def recursive_rnnt(logits, labels, blank_id):
    """Computes RNN-T loss and gradient of one utterance [T, U+1, W] in float64 logarithms, node by node."""
    log_probs = log_softmax(logits)
    frames, places, _ = log_probs.shape
    blank = log_probs[..., blank_id]
    label = np.full((frames, places), -np.inf)
    label[:, :-1] = log_probs[:, np.arange(places - 1), labels]
    alpha, beta = np.full((frames, places), -np.inf), np.full((frames + 1, places + 1), -np.inf)
    alpha[0, 0] = beta[frames, places - 1] = 0
    for t, u in np.ndindex(frames, places):
        if t:
            alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t - 1, u] + blank[t - 1, u])
        if u:
            alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t, u - 1] + label[t, u - 1])
    for t, u in reversed(list(np.ndindex(frames, places))):
        beta[t, u] = np.logaddexp(beta[t + 1, u] + blank[t, u], beta[t, u + 1] + label[t, u])
    total = beta[0, 0]
    gradient = np.exp(log_probs + (alpha + beta[:-1, :-1] - total)[..., None])
    gradient[..., blank_id] -= np.exp(alpha + blank + beta[1:, :-1] - total)
    taken = np.exp(alpha + label + beta[:-1, 1:] - total)
    for u, k in enumerate(labels):
        gradient[:, u, k] -= taken[:, u]
    return -total, gradient
