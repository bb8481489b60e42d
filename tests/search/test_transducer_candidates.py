"""The candidates of a beam search have the best extensions among them, of all in float64."""

from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.search.transducer_candidates import Rules, expand
from tests.search.tables import Table, fuse

B, K, V = 6, 4, 40
TABLE, WEIGHT = Table(0, vocab_size=V), 0.7
DURATIONS = (0, 1, 3)


@partial(jax.jit, static_argnames=("durations", "fused", "rules"))
def run(logits, scores, active, full, states, *, durations, fused, rules):
    fusion = fuse([TABLE], [WEIGHT], B) if fused else None
    options: dict[str, Any] = dict(blank_id=V, durations=durations, big_blank_durations=(), beam_size=K, rules=rules)
    return expand(logits, scores, active=active, full=full, fusion=fusion, states=(states,), **options)


def log_softmax(x):
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("durations", "fused", "rules"),
    [((), False, Rules()), (DURATIONS, True, Rules()), ((), True, Rules("late", "no_score"))],
)
def test_the_best_of_an_utterance_are_among_them(durations, fused, rules):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(B, K, V + 1 + len(durations))) * np.repeat([0.3, 2, 6], B // 3)[:, None, None]
    logits[..., V] += 3
    scores = -8 * rng.random((B, K))
    active, full = rng.random((B, K)) < 0.8, rng.random((B, K)) < 0.2
    scores[0, 1:], active[0], full[0] = -np.inf, False, False  # one hypothesis, and empty slots
    active[0, 0] = active[1:, 1] = True
    states = rng.integers(5, size=(B, K))
    spoilt = np.where(active[..., None], logits, np.nan).reshape(B * K, -1)  # beyond the frames
    inputs = (x.astype(np.float32) if x.dtype == float else x for x in (spoilt, scores, active, full, states))
    found = run(*inputs, durations=durations, fused=fused, rules=rules)

    gains = log_softmax(logits[..., : V + 1])
    gains[full, :V] = -np.inf
    if fused:
        gains[..., :V] += WEIGHT * TABLE.scores[states].astype(np.float64)
        if rules.blank_scores == "lm_weighted_full":
            blank = gains[..., V:]
            gains[..., :V] += WEIGHT * np.log1p(-np.minimum(np.exp(blank), 0.99))
            gains[..., V:] = blank * (1 + WEIGHT)
    gains = gains[..., None] + (log_softmax(logits[..., V + 1 :])[..., None, :] if durations else 0)
    symbols = np.broadcast_to(np.arange(V + 1)[:, None], gains.shape)
    jumps = np.broadcast_to(durations or (0,), gains.shape)
    jumps = np.where(symbols == V, np.maximum(jumps, 1), jumps)
    for b in range(B):
        expected = [(scores[b, k], k, -1, -1) for k in range(K) if not active[b, k]]
        for k in np.flatnonzero(active[b]):
            fields = (scores[b, k] + gains[b, k], symbols[b, k], jumps[b, k])
            expected += [(total, k, s, j) for total, s, j in zip(*(f.ravel() for f in fields), strict=True)]
        expected = sorted(expected, key=lambda x: -x[0])[:K]
        total = np.asarray(found.score[b])
        best = sorted(np.ndindex(total.shape), key=lambda place: -total[place])[:K]
        np.testing.assert_allclose([total[place] for place in best], [x[0] for x in expected], rtol=1e-5)
        for place, (score, k, symbol, jump) in zip(best, expected, strict=True):
            if score > -np.inf:
                got = (place[0], int(found.symbol[b][place]), int(found.jump[b][place]))
                assert got == (k, symbol, jump) if symbol >= 0 else got[0] == k
