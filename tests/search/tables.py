"""A language model as tables of every state, for the tests of searches with fused models."""

import jax.numpy as jnp
import numpy as np

from jaxspeech.search.fusion import Fused, Fusion, fusion_of


class Table:
    """Random log-probabilities after each of S states: `scores` [S V], `following` [S V], `ends` [S].

    A `Fusible` that has no code in common with n-grams.
    """

    def __init__(self, seed, *, vocab_size, num_states=5, spread=1.5, probability=1.0):
        rng = np.random.default_rng(seed)
        logits = spread * rng.normal(size=(num_states, vocab_size + 1))
        log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        self.scores, self.ends = log_probs[:, :-1].astype(np.float32), log_probs[:, -1].astype(np.float32)
        self.following = rng.integers(num_states, size=(num_states, vocab_size)).astype(np.int32)
        self.probability = probability

    def state(self, tokens, start=0):
        """After a text."""
        for token in tokens:
            start = self.following[start, token]
        return int(start)

    def log_prob(self, tokens, *, start=0, end=False):
        """Of a text, in float64."""
        parts = [float(self.scores[self.state(tokens[:i], start), token]) for i, token in enumerate(tokens)]
        return sum(parts) + (float(self.ends[self.state(tokens, start)]) if end else 0.0)

    def fusion(self, weight, starts):
        scores, following, ends = (jnp.asarray(x) for x in (self.scores, self.following, self.ends))
        return Fusion(
            state=jnp.asarray(starts),
            scores=lambda states: weight * scores[states],
            candidates=lambda states, tokens: weight * scores[states[..., None], tokens],
            bound=lambda states: (weight * scores).max(-1)[states],
            extend=lambda states, tokens: following[states, tokens],
            end=lambda states: weight * ends[states],
            weight=weight * self.probability,
        )


def fuse(tables, weights, batch_size, starts=0):
    """Returns the fusion of some tables; `starts` is the state of all rows and tables, or of each, [B N]."""
    starts = jnp.broadcast_to(jnp.asarray(starts, jnp.int32), (batch_size, len(tables)))
    return fusion_of({"fusion": Fused(tuple(tables), jnp.asarray(weights, jnp.float32), starts)._asdict()}, batch_size)
