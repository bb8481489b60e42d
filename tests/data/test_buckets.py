"""Buckets by seconds and labels: what they hold, what they cost, and the least padding."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxspeech.data.batching import ONE_SHAPE_EACH, Batching, parse_batching, plain_batching
from jaxspeech.data.buckets import Bucket, Cost, assign, least_padding, make_buckets, split_by_labels, upward
from jaxspeech.data.join import Join
from jaxspeech.data.plan import count_batches, plan
from jaxspeech.errors import ConfigError

# Of the same length for few and for many labels; the last one holds everything.
BUCKETS = (Bucket(2.0, 5, 8), Bucket(2.0, 3, 24), Bucket(5.0, 4, 16), Bucket(5.0, 2, 40), Bucket(9.0, 1, 64))


@settings(max_examples=60, deadline=None)
@given(
    examples=st.lists(st.tuples(st.floats(0.01, 9.0), st.integers(0, 64)), max_size=50),
    sizes=st.lists(st.integers(1, 6), min_size=5, max_size=5),
    epoch=st.integers(0, 9),
)
def test_every_example_once_where_its_seconds_and_labels_fit(examples, sizes, epoch):
    durations, labels = (np.array([e[i] for e in examples], kind) for i, kind in enumerate((np.float64, np.int32)))
    buckets = tuple(bucket._replace(batch_size=size) for bucket, size in zip(BUCKETS, sizes, strict=True))
    planned = plan(durations, buckets=buckets, labels=labels, seed=1, epoch=epoch)
    seen, fillers = [], 0
    for position in range(planned.num_batches):
        rows, bucket = planned.batch(position)
        real = rows[rows >= 0]
        assert len(rows) == buckets[bucket].batch_size and len(real)
        assert (durations[real] <= buckets[bucket].seconds).all() and (labels[real] <= buckets[bucket].labels).all()
        seen.extend(real)
        fillers += len(rows) - len(real)
    assert sorted(seen) == list(range(len(examples))) and fillers < max(sizes)
    assert planned.num_batches == count_batches(durations, buckets, labels)


def test_the_first_bucket_that_holds_an_example_is_its_own():
    durations, labels = np.array([1.0, 1.0, 1.0, 3.0, 3.0, 6.0, 0.5]), np.array([3, 20, 30, 16, 17, 1, 41])
    assert assign(durations, BUCKETS, labels).tolist() == [0, 1, 3, 2, 3, 4, 4]
    assert upward(BUCKETS) == [1, 3, 3, 4, 5]
    with pytest.raises(ConfigError, match="an example has 65 labels, the last bucket 64"):
        assign(np.array([1.0]), BUCKETS, np.array([65]))


def test_what_an_example_costs():
    cost = Cost(quadratic_seconds=20, label_seconds=0.05)
    assert cost.of(10, 40) == 12 + 12**2 / 20
    assert Cost().of(10, 40) == 10
    buckets = make_buckets([10, 10, 20], labels=[40, 80, 80], batch_seconds=100, max_batch_size=64, cost=cost)
    assert [b.batch_size for b in buckets] == [int(100 / (x + x * x / 20)) for x in (12, 14, 24)]
    assert buckets[0].cost == 12 + 7.2 and make_buckets([10], batch_seconds=100, max_batch_size=64)[0].cost == 0


def test_lengths_have_the_least_cost():
    values = np.round(np.random.default_rng(3).gamma(2, 2, 15) + 0.1, 2)
    cost, lengths = Cost(quadratic_seconds=3), np.unique(values)

    def padded(edges):
        return cost.of(np.array(edges)[np.searchsorted(edges, values)]).sum()

    least = min(padded((*cuts, lengths[-1])) for cuts in itertools.combinations(lengths[:-1], 2))
    np.testing.assert_allclose(padded(least_padding(values, 3, cost=cost)), least, rtol=1e-12)
    # Without the quadratic term the best lengths are others, so the test sees it.
    assert padded(least_padding(values, 3)) > least


def test_label_lengths_of_each_length():
    rng = np.random.default_rng(0)
    lengths, labels = rng.uniform(0.5, 10, 400), rng.integers(1, 60, 400)
    seconds, most = split_by_labels([4.0, 10.0], [56, 64], lengths, labels, count=3)
    assert seconds == [4.0] * 3 + [10.0] * 3 and most[2] == 56 and most[5] == 64
    assert all(edge % 8 == 0 for edge in most) and most[:3] == sorted(set(most[:3]))
    assert split_by_labels([4.0, 10.0], [56, 64], lengths, labels, count=1) == ([4.0, 10.0], [56, 64])
    # Examples with the same number of labels need one length.
    assert split_by_labels([4.0], [16], np.ones(9), np.full(9, 13), count=4) == ([4.0], [16])


def test_options_of_a_recipe():
    given_ = {"quadratic_seconds": 30, "label_seconds": 0.08, "label_buckets": 2, "join": {"seconds": 20, "gap": 0}}
    assert parse_batching(given_) == Batching(Cost(30, 0.08), 2, Join(20, 0, 1.0))
    assert parse_batching({}) == ONE_SHAPE_EACH and not ONE_SHAPE_EACH.by_labels
    for wrong, why in (
        ({"label_buckets": 0}, "label_buckets is 0"),
        ({"label_seconds": -1}, r"label_seconds is -1"),
        ({"join": {"second": 1}}, 'join.second: no such field; did you mean "seconds"'),
        ({"join": {"probability": 2}}, "probability is 2"),
    ):
        with pytest.raises(ConfigError, match=why):
            parse_batching(wrong)
    with pytest.raises(ConfigError, match=r"data\.join: no"):
        plain_batching({"join": {"seconds": 3.0}}, why="no")
