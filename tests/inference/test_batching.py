"""Batches hold everything once, in few shapes, with little padding."""

import numpy as np
import pytest

from jaxspeech.inference.batching import MIN_FILL, padded_length, plan_batches

RATE = 16000


def test_padded_lengths_are_few_and_near() -> None:
    seconds = {n / RATE: padded_length(n, sample_rate=RATE) / RATE for n in range(1, 88 * RATE, 997)}
    assert sorted(set(seconds.values()))[-9:] == [44.0, 48.0, 52.0, 56.0, 60.0, 64.0, 72.0, 80.0, 88.0]
    for real, padded in seconds.items():
        assert real <= padded and (padded == 0.5 or padded < real * (4 / 3 if real <= 32 else 9 / 8) + 1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 17, 512])
@pytest.mark.parametrize("batch_size", [1, 2, 16, 50])
def test_every_recording_once(count: int, batch_size: int) -> None:
    lengths = dict(enumerate(np.random.default_rng(count).integers(1, 30 * RATE, count).tolist()))
    batches = plan_batches(lengths, batch_size=batch_size, sample_rate=RATE)
    assert sorted(i for batch in batches for i in batch.indices) == list(range(count))
    assert [min(batch.indices) for batch in batches] == sorted(min(batch.indices) for batch in batches)
    for batch in batches:
        assert MIN_FILL * batch.rows <= len(batch.indices) <= batch.rows <= batch_size
        assert max(lengths[i] for i in batch.indices) <= batch.length


def test_little_padding_and_few_shapes() -> None:
    lengths = dict(enumerate(np.random.default_rng(0).integers(2 * RATE, 20 * RATE, 512).tolist()))
    batches = plan_batches(lengths, batch_size=16, sample_rate=RATE)
    assert 1 - sum(lengths.values()) / sum(batch.rows * batch.length for batch in batches) < 0.15
    assert len({batch[1:] for batch in batches}) <= 15


def test_long_recordings_go_alone() -> None:
    batches = plan_batches(dict.fromkeys(range(16), 300 * RATE), batch_size=16, sample_rate=RATE)
    assert [batch.rows for batch in batches] == [1] * 16
