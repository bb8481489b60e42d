"""CTC by enumeration of every path, and by a float64 recursion in logarithms: slow, and independent of the package."""

import itertools

import numpy as np


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def enumerate_ctc(logits, labels, blank_id):
    """Computes loss and gradient of one utterance [T, W] by the definition: from all W^T paths."""
    log_probs = log_softmax(logits)
    frames, symbols = log_probs.shape
    total, passing = 0.0, np.zeros_like(log_probs)
    for path in itertools.product(range(symbols), repeat=frames):
        merged = [k for k, _ in itertools.groupby(path)]
        if [k for k in merged if k != blank_id] == list(labels):
            probability = np.exp(sum(log_probs[t, k] for t, k in enumerate(path)))
            total += probability
            for t, k in enumerate(path):
                passing[t, k] += probability
    if total == 0:
        return np.inf, np.zeros_like(log_probs)
    return -np.log(total), np.exp(log_probs) - passing / total


def recursive_ctc(logits, labels, blank_id):
    """Computes loss and gradient of one utterance [T, W] by a float64 recursion over alternating blanks and labels."""
    log_probs = log_softmax(logits)
    frames = len(log_probs)
    states = [blank_id]
    for label in labels:
        states += [label, blank_id]
    skip = np.array([s > 1 and k != blank_id and k != states[s - 2] for s, k in enumerate(states)])

    def forward(emissions, skip):
        alpha = np.full(emissions.shape, -np.inf)
        alpha[0, :2] = emissions[0, :2]
        for t in range(1, frames):
            previous = alpha[t - 1]
            one = np.concatenate([[-np.inf], previous[:-1]])
            two = np.where(skip, np.concatenate([[-np.inf, -np.inf], previous])[: len(previous)], -np.inf)
            alpha[t] = np.logaddexp(np.logaddexp(previous, one), two) + emissions[t]
        return alpha

    emissions = log_probs[:, states]
    alpha = forward(emissions, skip)
    back_skip = np.concatenate([[False, False], skip[2:][::-1]])[: len(skip)]
    beta = forward(emissions[::-1, ::-1], back_skip)[::-1, ::-1]
    total = np.logaddexp.reduce(alpha[-1, -2:])
    occupancy = np.zeros_like(log_probs)
    for s, k in enumerate(states):
        occupancy[:, k] += np.exp(alpha[:, s] + beta[:, s] - emissions[:, s] - total)
    return -total, np.exp(log_probs) - occupancy
