"""Tests the losses of speakers' activity against all orders, tried one by one in float64, and against SciPy."""

import itertools

import jax
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from jaxspeech.errors import ConfigError
from jaxspeech.losses.assignment import assign
from jaxspeech.losses.permutation import activity_losses, arrival_allows, best_order, check_activity_options

FRAMES = np.array([9, 12, 0, 5])


def drawn(speakers, seed=0):
    """Logits and targets [4 12 S]: speakers who begin together, one who never speaks, and a row without frames."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((4, 12, speakers)) < 0.4).astype(np.float32)
    targets[0, 0, :2], targets[1, :, -1], targets[1, :3] = 1, 0, 0
    return rng.normal(size=targets.shape).astype(np.float32) * 2, targets


def bce(logits, targets):
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean(-1).sum()


def by_definition(logits, targets, *, arrival):
    """The sum of the frames' losses, with the best of all orders, or of those in which the speakers arrive."""
    probs, (size, speakers) = 1 / (1 + np.exp(-logits.astype(np.float64))), logits.shape
    first = np.array([next((t for t in range(size) if targets[t, s] >= 0.5), size) for s in range(speakers)])
    orders = np.array(list(itertools.permutations(range(speakers))))
    if arrival:
        orders = orders[(first[orders] == np.sort(first)).all(1)]
    scores = (targets.T.astype(np.float64) @ probs)[orders, np.arange(speakers)].sum(1)
    return bce(logits, targets[:, orders[scores.argmax()]])


@pytest.mark.parametrize("speakers", [1, 4, 7])
def test_both_losses_use_the_best_order_that_is_allowed(speakers):
    logits, targets = drawn(speakers)
    rows = jax.jit(activity_losses)(logits, targets, FRAMES)
    both = [
        np.array([by_definition(logits[b, :n], targets[b, :n], arrival=arrival) for b, n in enumerate(FRAMES) if n])
        for arrival in (True, False)
    ]
    real = FRAMES > 0
    np.testing.assert_allclose(rows.losses[real], np.mean(both, axis=0), rtol=1e-5)
    for name, sums in zip(("ats_loss", "pil_loss"), both, strict=True):
        np.testing.assert_allclose(rows.logged[name][real], sums / FRAMES[real], rtol=1e-5)
    np.testing.assert_array_equal(rows.weights, FRAMES)
    assert np.isinf(rows.losses[~real]).all() and (speakers == 1 or (both[0] > both[1]).any())


def test_weights_count_by_their_ratio_and_padding_holds_anything():
    logits, targets = drawn(3)
    one, other = (activity_losses(logits, targets, FRAMES, ats_weight=a, pil_weight=b) for a, b in ((1, 3), (0.2, 0.6)))
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-6)
    beyond = np.arange(12)[:, None] >= FRAMES[:, None, None]
    spoiled, grads = jax.value_and_grad(
        lambda x: (
            activity_losses(x, np.where(beyond, np.nan, targets), FRAMES, ats_weight=1, pil_weight=3).losses[:2].sum()
        )
    )(np.where(beyond, np.nan, logits))
    np.testing.assert_allclose(spoiled, one.losses[:2].sum(), rtol=1e-6)
    assert np.isfinite(grads).all()


def test_gradients_are_those_of_the_mean_of_both_orders():
    logits, targets = drawn(7)
    rows = np.array([0, 1, 3])
    grads = jax.grad(lambda x: activity_losses(x, targets, FRAMES).losses[rows].sum())(logits)
    for b, t, s in ((0, 3, 2), (1, 11, 6), (3, 0, 0), (3, 8, 1)):
        near = [np.array(logits, np.float64) for _ in range(2)]
        near[0][b, t, s] -= 1e-4
        near[1][b, t, s] += 1e-4
        n = FRAMES[b]
        values = [
            np.mean([by_definition(x[b, :n], targets[b, :n], arrival=arrival) for arrival in (True, False)])
            for x in near
        ]
        np.testing.assert_allclose(grads[b, t, s], (values[1] - values[0]) / 2e-4, atol=1e-4)


def test_assignment_equals_scipys():
    rng = np.random.default_rng(1)
    for size in (1, 7):
        costs = rng.normal(size=(6, size, size)) * 10
        costs[0], costs[1] = 0, np.round(costs[1] / 10)  # with ties
        for cost, found in zip(costs, jax.jit(assign)(costs), strict=True):
            rows, columns = linear_sum_assignment(cost)
            assert sorted(found.tolist()) == list(range(size))
            np.testing.assert_allclose(cost[rows, found].sum(), cost[rows, columns].sum(), rtol=1e-5, atol=1e-5)
    # Whatever a model that diverged gives, the search ends.
    assert sorted(jax.jit(assign)(np.full((6, 7, 7), np.nan))[0].tolist()) == [0, 1, 2, 3, 4, 5, 6]


def test_many_speakers_keep_their_arrival_whatever_the_scores():
    _, targets = drawn(9)
    scores = np.random.default_rng(2).random((4, 9, 9)).astype(np.float32) * 1e3
    order = np.asarray(jax.jit(lambda: best_order(scores, arrival_allows(targets)))())
    first = np.where(targets.any(1), targets.argmax(1), 12)
    assert (np.diff(np.take_along_axis(first, order, 1), axis=1) >= 0).all()
    assert (np.sort(order, axis=1) == np.arange(9)).all()


def test_options_that_cannot_be_are_named():
    check_activity_options(0, 1, "binary")
    for options, message in (
        ((0, 0, "none"), "one must be above 0"),
        ((-1, 2, "none"), "neither may be negative"),
        ((1, 1, "classes"), "class_normalization is 'classes'; did you mean \"class\""),
    ):
        with pytest.raises(ConfigError, match=message):
            check_activity_options(*options)
