"""The best tokens of a shortlist are those of all tokens, in float64, whatever the size of the list."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.shortlist import best_tokens
from tests.search.tables import Table, fuse

V, ROWS = 40, 60
TABLE = Table(0, vocab_size=V)
# Rows in which one token stands out, and rows in which only all of the tokens decide.
SPREAD = np.repeat([0.2, 2.0, 20.0], 20)[:, None]
ACOUSTIC = (SPREAD * np.random.default_rng(1).normal(size=(ROWS, V))).astype(np.float32)
STATES = (np.arange(ROWS) % 5).astype(np.int32)


@partial(jax.jit, static_argnames=("count", "sizes", "counting"))
def run(acoustic, needed, *, count, sizes, counting=False, least=None):
    fusion = fuse([TABLE], [0.7], ROWS)
    if counting:  # a search that scores all tokens would add NaN
        fusion = fusion._replace(scores=lambda states: jnp.full((ROWS, V), jnp.nan))
    return best_tokens(fusion, (jnp.asarray(STATES),), acoustic, count=count, needed=needed, least=least, sizes=sizes)


@pytest.mark.parametrize(("count", "sizes"), [(1, (2, 8)), (4, (4, 16)), (3, (64,))])
def test_equals_the_best_of_all_tokens(count, sizes):
    best = run(ACOUSTIC, np.ones(ROWS, bool), count=count, sizes=sizes)
    total = ACOUSTIC.astype(np.float64) + 0.7 * TABLE.scores[STATES].astype(np.float64)
    expected = np.argsort(-total, axis=-1)[:, :count]
    np.testing.assert_array_equal(best.tokens, expected)
    np.testing.assert_allclose(best.scores, np.take_along_axis(total, expected, axis=-1), rtol=1e-5, atol=1e-5)


def test_certain_rows_do_not_score_all_tokens():
    needed = SPREAD[:, 0] > 10  # the others are not used, and may be anything
    spoilt = np.where(needed[:, None], ACOUSTIC, np.nan).astype(np.float32)
    best = run(spoilt, needed, count=1, sizes=(2, 8), counting=True)
    expected = (ACOUSTIC + 0.7 * TABLE.scores[STATES]).argmax(-1)
    np.testing.assert_array_equal(best.tokens[needed, 0], expected[needed])
    assert np.isfinite(best.scores[needed]).all()


def test_tokens_below_the_least_score_are_not_looked_for():
    total = ACOUSTIC + 0.7 * TABLE.scores[STATES]
    least = np.sort(total, axis=-1)[:, -2] + 1e-4  # one token reaches it
    fusion = fuse([TABLE], [0.7], ROWS)
    rest = np.sort(ACOUSTIC, axis=-1)[:, -8] + np.asarray(fusion.bound((jnp.asarray(STATES),)))
    sure = rest < least
    best = run(ACOUSTIC, sure, count=4, sizes=(8,), counting=True, least=least.astype(np.float32))
    assert sure.sum() > 20
    np.testing.assert_array_equal(best.tokens[sure, 0], total[sure].argmax(-1))
    assert np.isfinite(best.scores[sure]).all()


def test_tokens_that_are_not_allowed_are_not_found():
    acoustic = np.where(np.arange(V) < 30, -np.inf, ACOUSTIC).astype(np.float32)
    best = run(acoustic, np.ones(ROWS, bool), count=4, sizes=(4, 16))
    assert np.asarray(best.tokens).min() >= 30


def test_a_model_of_other_tokens_is_refused():
    with pytest.raises(ConfigError, match="40 tokens for a search over 39"):
        run(ACOUSTIC[:, 1:], np.ones(ROWS, bool), count=1, sizes=(2,))
