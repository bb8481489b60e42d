"""Rescoring: the chosen alternative, and the weights with the fewest errors, against trying a grid of them."""

import itertools

import numpy as np
import pytest

from jaxspeech.search.rescore import Alternatives, Weights, best, count_errors, rescored, tune


def random_recordings(seed, *, count=12):
    rng = np.random.default_rng(seed)
    recordings = []
    for _ in range(count):
        n = int(rng.integers(1, 6))
        errors = rng.integers(4, size=n)
        # The right text is likelier for the language model, and the acoustic score favours short texts.
        length = rng.integers(3, 9, size=n).astype(float)
        acoustic, lm = -rng.random(n) * 6 - 0.5 * length, -3.0 * errors - rng.random(n) * 8
        recordings.append(Alternatives(acoustic, lm, length, errors))
    return recordings


def test_the_score_is_the_weighted_sum():
    found = Alternatives(np.array([-1.0, -2.0, -np.inf]), np.array([-9.0, -5.0, -1.0]), np.array([2.0, 3.0, 1.0]))
    np.testing.assert_allclose(rescored(found, Weights(0.5, 0.1)), [-5.3, -4.2, -np.inf])
    assert best(found, Weights(0.5, 0.1)) == 1 and best(found, Weights(0, 0)) == 0
    impossible = found._replace(lm=np.array([-np.inf, -5.0, -1.0]))
    assert best(impossible, Weights(0, 0)) == 1
    with pytest.raises(ValueError, match="have no errors"):
        tune([found])


@pytest.mark.parametrize("seed", range(4))
def test_tuning_finds_no_more_errors_than_a_grid_in_each_parameter(seed):
    recordings = random_recordings(seed)
    weights, errors = tune(recordings)
    assert errors == count_errors(recordings, weights) <= count_errors(recordings, Weights(0, 0))
    for a, b in itertools.product(np.linspace(0, 4, 400), [weights.length]):
        assert errors <= count_errors(recordings, Weights(a, b))
    for b in np.linspace(-4, 4, 400):
        assert errors <= count_errors(recordings, Weights(weights.lm, b))
    # Slightly other weights choose the same: the values are not at the edge of where they are right.
    for change in (0.999, 1.001):
        assert count_errors(recordings, Weights(weights.lm * change, weights.length * change)) == errors


def test_the_language_model_that_knows_the_errors_is_used():
    recordings = [r._replace(lm=-4.0 * r.errors) for r in random_recordings(9)]
    weights, errors = tune(recordings)
    assert errors == sum(int(r.errors.min()) for r in recordings) < count_errors(recordings, Weights(0, 0))
    assert 0 < weights.lm < 100


def test_nothing_to_choose_leaves_the_weights():
    recordings = [Alternatives(np.array([-1.0]), np.array([-2.0]), np.array([1.0]), np.array([3]))]
    assert tune(recordings) == (Weights(0.0, 0.0), 3)
    assert tune(recordings, start=Weights(0.4, 0.1)) == (Weights(0.4, 0.1), 3)
