"""The batch plan: every example once, fixed shapes, an order that depends on the seed and the epoch alone."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxspeech.data.buckets import Bucket, estimate_buckets, make_buckets
from jaxspeech.data.plan import count_batches, plan
from jaxspeech.errors import ConfigError

BUCKETS = (Bucket(2.0, 8), Bucket(5.0, 4), Bucket(20.0, 2))


def batches(planned):
    return [planned.batch(position) for position in range(planned.num_batches)]


@settings(max_examples=50, deadline=None)
@given(
    durations=st.lists(st.floats(0.01, 20.0), max_size=60),
    sizes=st.lists(st.integers(1, 7), min_size=3, max_size=3),
    epoch=st.integers(0, 100),
    shuffle=st.booleans(),
)
def test_every_example_once_in_a_bucket_that_holds_it(durations, sizes, epoch, shuffle):
    durations = np.array(durations, np.float64)
    buckets = tuple(Bucket(b.seconds, size) for b, size in zip(BUCKETS, sizes, strict=True))
    planned = plan(durations, buckets=buckets, seed=1, epoch=epoch, shuffle=shuffle)
    seen, fillers = [], 0
    for rows, bucket in batches(planned):
        assert len(rows) == buckets[bucket].batch_size
        assert (durations[rows[rows >= 0]] <= buckets[bucket].seconds).all() and (rows >= 0).any()
        seen.extend(rows[rows >= 0])
        fillers += (rows < 0).sum()
    assert sorted(seen) == list(range(len(durations)))
    assert fillers < max(sizes)  # at most one batch is not full
    assert planned.num_batches == count_batches(durations, buckets)


def test_leftovers_move_up_one_bucket_at_a_time():
    durations = np.array([1.0] * 9 + [4.0] * 3 + [10.0] * 1)
    planned = plan(durations, buckets=BUCKETS, shuffle=False)
    assert [(rows.tolist(), bucket) for rows, bucket in batches(planned)] == [
        ([0, 1, 2, 3, 4, 5, 6, 7], 0),
        ([8, 9, 10, 11], 1),
        ([12, -1], 2),
    ]


def test_no_bucket_longer_than_the_longest_example_is_used():
    planned = plan(np.full(3, 1.0), buckets=BUCKETS)
    assert planned.num_batches == 1 and planned.batch(0)[1] == 0


def test_the_plan_depends_on_seed_and_epoch_alone():
    durations = np.random.default_rng(0).uniform(0, 20, 200)
    rows = lambda **options: plan(durations, buckets=BUCKETS, **options).rows.tolist()  # noqa: E731
    np.random.seed(5)
    first = rows(seed=3, epoch=4)
    np.random.seed(6)
    assert rows(seed=3, epoch=4) == first
    for seed, epoch in itertools.product((2, 3), (4, 5)):
        assert (rows(seed=seed, epoch=epoch) == first) == ((seed, epoch) == (3, 4))


def test_another_process_makes_the_same_plan():
    code = (
        "import numpy as np; from jaxspeech.data.plan import plan; from jaxspeech.data.buckets import Bucket;"
        "print(plan(np.arange(50.) / 5, buckets=[Bucket(20., 4)], seed=7, epoch=2).rows.tolist())"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": h}, capture_output=True).stdout
        for h in "01"
    ]
    here = plan(np.arange(50.0) / 5, buckets=[Bucket(20.0, 4)], seed=7, epoch=2).rows.tolist()
    assert outputs[0] == outputs[1] == f"{here}\n".encode()


def test_evaluation_is_sorted_by_length():
    durations = np.random.default_rng(0).uniform(0, 20, 99)
    planned = plan(durations, buckets=BUCKETS, shuffle=False)
    order = np.concatenate([rows for rows, _ in batches(planned)])
    assert (np.diff(durations[order[order >= 0]]) >= 0).all()


def test_shuffling_mixes_the_lengths_of_batches():
    durations = np.random.default_rng(0).uniform(0, 20, 400)
    kinds = [bucket for _, bucket in batches(plan(durations, buckets=BUCKETS))]
    assert kinds != sorted(kinds)


def test_a_million_examples_take_seconds():
    durations = np.random.default_rng(0).gamma(4, 2, 1_000_000).clip(0.5, 20)
    planned = plan(durations, buckets=make_buckets([5, 10, 20], batch_seconds=320, max_batch_size=128))
    assert np.unique(planned.rows[planned.rows >= 0]).size == 1_000_000


def test_an_example_longer_than_the_last_bucket_is_an_error():
    with pytest.raises(ConfigError, match=r"longest example has 21\.00 s and the last bucket 20\.00 s"):
        plan(np.array([21.0]), buckets=BUCKETS)


def test_batch_sizes_fit_the_budget_and_the_devices():
    buckets = make_buckets([1, 4, 10, 100], batch_seconds=80, max_batch_size=50, multiple_of=4)
    assert [b.batch_size for b in buckets] == [48, 20, 8, 4]


@pytest.mark.parametrize("seconds", [[], [5, 5], [5, 2], [0, 3]])
def test_bucket_lengths_ascend(seconds):
    with pytest.raises(ConfigError, match="ascending"):
        make_buckets(seconds, batch_seconds=10, max_batch_size=4)


def test_batches_too_small_for_the_devices():
    with pytest.raises(ConfigError, match="4 examples are fewer than the 8 parts"):
        make_buckets([1], batch_seconds=100, max_batch_size=4, multiple_of=8)


def test_no_bucket_at_all():
    with pytest.raises(ConfigError, match=r"data\.buckets is 0"):
        estimate_buckets(np.array([1.0, 2.0]), 0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_estimated_buckets_have_the_least_padding(count):
    durations = np.round(np.random.default_rng(count).gamma(2, 1, 14) + 0.1, 2)
    lengths = np.unique(durations)

    def padded(edges):
        return np.array(edges)[np.searchsorted(edges, durations)].sum()

    least = min(padded((*cuts, lengths[-1])) for cuts in itertools.combinations(lengths[:-1], count - 1))
    estimated = estimate_buckets(durations, count)
    assert len(estimated) == count
    np.testing.assert_allclose(padded(estimated), least, rtol=1e-9)


def test_estimated_buckets_hold_every_example():
    durations = np.random.default_rng(0).gamma(4, 2, 10_000)
    assert estimate_buckets(durations, 6)[-1] >= durations.max()
    assert estimate_buckets(np.full(10, 3.0), 6) == (3.0,)
