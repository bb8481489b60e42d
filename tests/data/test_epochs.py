"""Steps, epochs, weights and stretched lengths."""

import numpy as np
import pytest

from jaxspeech.data.buckets import Bucket
from jaxspeech.data.epochs import Epochs
from jaxspeech.data.stretch import draw_stretch, shortest

BUCKETS = (Bucket(2.0, 8), Bucket(4.0, 4), Bucket(12.5, 4))
DURATIONS = np.random.default_rng(0).uniform(0.5, 10, 101)


def make(weights=1.0, **options):
    return Epochs(DURATIONS, weights=np.full(101, weights), buckets=BUCKETS, seed=3, **options)


def examples_of(epochs, epoch):
    planned = [epochs[step] for step in range(epochs.first_step(epoch), epochs.first_step(epoch + 1))]
    assert all(p.epoch == epoch for p in planned)
    return np.concatenate([p.index[p.index >= 0] for p in planned])


@pytest.mark.parametrize("options", [{}, {"speeds": (0.8, 1.0, 1.2), "pad_seconds": 0.3}])
def test_each_epoch_shows_every_example_once(options):
    epochs = make(**options)
    for epoch in range(4):
        assert sorted(examples_of(epochs, epoch)) == list(range(101))


def test_any_step_in_any_order_is_the_same_batch():
    options = {"speeds": (0.8, 1.2), "pad_seconds": 0.3, "weights": 1.3}
    forward, backward = make(**options), make(**options)
    steps = range(60)
    expected = {step: backward[step] for step in reversed(steps)}
    for step in steps:
        for a, b in zip(forward[step], expected[step], strict=True):
            np.testing.assert_array_equal(a, b)
        epoch, position = forward.locate(step)
        assert forward.first_step(epoch) + position == step and position >= 0


@pytest.mark.parametrize("weight", [0.3, 1.0, 2.5])
def test_weights_hold_in_each_epoch_and_over_epochs(weight):
    epochs = make(weight)
    times = np.array([np.bincount(examples_of(epochs, epoch), minlength=101) for epoch in range(10)])
    assert times.min() == np.floor(weight) and times.max() == np.ceil(weight)
    np.testing.assert_array_equal(times.sum(0), 10 * weight)


def test_copies_of_an_example_are_numbered():
    epochs = make(2.5)
    planned = [epochs[step] for step in range(epochs.first_step(1))]
    pairs = [(i, c) for p in planned for i, c in zip(p.index.tolist(), p.copy.tolist(), strict=True) if i >= 0]
    assert len(set(pairs)) == len(pairs) and {c for _, c in pairs} == {0, 1, 2}


def test_a_stretched_example_fits_its_batch():
    epochs = make(speeds=(0.8, 0.9, 1.0, 1.1, 1.2), pad_seconds=0.5)
    for step in range(100):
        planned = epochs[step]
        real = planned.index >= 0
        seconds = planned.stretch.seconds(DURATIONS[planned.index])[real]
        assert (seconds <= BUCKETS[planned.bucket].seconds + 1e-9).all()


def test_stretch_is_bounded_for_the_longest_only():
    durations = np.array([1.0, 5.0, 9.5, 10.0])
    seen = [
        draw_stretch(durations, speeds=(0.8, 1.25), pad_seconds=0.4, longest=10.0, seed=0, epoch=e) for e in range(200)
    ]
    speed, before = np.array([s.speed for s in seen]), np.array([s.before for s in seen])
    assert set(speed[:, 0]) == set(speed[:, 1]) == {0.8, 1.25}
    assert set(speed[:, 2]) == {0.95, 1.25} and set(speed[:, 3]) == {1.0, 1.25}
    assert max(s.seconds(durations).max() for s in seen) <= 10.0 + 1e-9
    assert before[:, 0].max() > 0.38 and before.min() >= 0.0


def test_ends_are_cut_by_three_tenths_at_most():
    durations = np.array([0.2, 5.0])
    seen = [
        draw_stretch(durations, speeds=(0.8, 1.25), pad_seconds=0.1, crop_seconds=0.3, longest=10.0, seed=0, epoch=e)
        for e in range(200)
    ]
    before = np.array([s.before for s in seen])
    assert before[:, 1].min() < -0.28 and before[:, 1].min() >= -0.3 and 0.09 < before.max() <= 0.1
    assert before[:, 0].min() == -0.3 * 0.2 / 0.8
    assert all((s.seconds(durations) >= 0.4 * durations / s.speed - 1e-9).all() for s in seen)


def test_a_stretch_of_a_longer_example_is_taken():
    durations = np.array([1.0, 2.1, 6.0, 12.0] * 500)
    drawn = draw_stretch(
        durations, speeds=(0.9, 1.1), pad_seconds=0.0, crop_to=(2.0, 3.0), longest=3.0, seed=0, epoch=0
    )
    seconds = drawn.seconds(durations).reshape(-1, 4)
    long, place = seconds[:, 2:], (-drawn.before).reshape(-1, 4)[:, 3]
    assert long.min() >= 2 - 1e-9 and long.max() <= 3 + 1e-9 and abs(long.mean() - 2.5) < 0.05
    np.testing.assert_allclose(seconds[:, 0], 1.0 / drawn.speed.reshape(-1, 4)[:, 0])
    assert {0.9, 1.1} == set(drawn.speed) and place.min() < 0.5 and place.max() > 8.5  # anywhere in it
    least = shortest(durations, speeds=(0.9, 1.1), crop_to=(2.0, 3.0), longest=3.0)
    assert (least <= drawn.seconds(durations) + 1e-9).all() and least.max() == 2.0
