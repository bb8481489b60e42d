"""Tests which tokens are drawn from, against a definition that looks at one token after another."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.selection import candidates, greedy, selection

LOGITS = (3 * np.random.default_rng(0).standard_normal((5, 40))).astype(np.float32)


def allowed(logits, *, temperature=1.0, top_k=0, top_p=1.0):
    """The tokens that may be drawn with their logits, the most probable first."""
    order = np.argsort(-logits)[: top_k or None]
    scaled = logits[order].astype(np.float64) / temperature
    probs = np.exp(scaled) / np.exp(scaled).sum()
    kept, mass = [], 0.0
    for token, logit, prob in zip(order, scaled, probs, strict=True):
        if kept and mass >= top_p:
            break
        kept.append((int(token), logit))
        mass += prob
    return dict(kept)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7},
        {"top_k": 5},
        {"top_k": 100},
        {"top_p": 0.8},
        {"top_p": 1e-6},
        {"temperature": 1.7, "top_k": 12, "top_p": 0.9},
    ],
)
def test_the_tokens_drawn_from_are_those_of_the_definition(options):
    found = candidates(jnp.asarray(LOGITS), **options)
    for row, logits in enumerate(LOGITS):
        ids = np.arange(40) if found.ids is None else np.asarray(found.ids[row])
        inside = np.isfinite(found.logits[row])
        kept = dict(zip(ids[inside].tolist(), np.asarray(found.logits[row])[inside].tolist(), strict=True))
        assert kept == pytest.approx(allowed(logits, **options), rel=1e-5)


def test_without_a_temperature_the_most_probable_token_is_taken():
    assert selection(top_k=5, top_p=0.5) is greedy
    np.testing.assert_array_equal(greedy(jnp.asarray(LOGITS)), LOGITS.argmax(-1))


@pytest.mark.parametrize(
    ("options", "line"),
    [({"temperature": -1.0}, "temperature=-1.0"), ({"top_k": -2}, "top_k=-2"), ({"top_p": 0.0}, "top_p=0.0")],
)
def test_a_value_out_of_its_range_is_one_line(options, line):
    with pytest.raises(ConfigError, match=line):
        selection(**{"temperature": 1.0} | options)
