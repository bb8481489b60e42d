"""The largest batches that fit, found without running any; the memory of a step, as XLA reports it."""

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.training.memory import Need, describe_needs, device_memory, find_batch_seconds, step_need
from jaxspeech.training.sharding import make_mesh
from jaxspeech.types import BatchShape

RATE = 100
LENGTHS = (2.0, 5.0, 10.0)


def size(shape):
    return shape.rows, int(shape.size * RATE)


def shapes(batch_seconds):
    return [shape(max(1, int(batch_seconds / s)), s) for s in LENGTHS]


def shape(rows, seconds):
    struct = jax.ShapeDtypeStruct
    count, labels = struct((rows,), jnp.int32), struct((rows, 8), jnp.int32)
    arrays = Utterances(struct((rows, int(seconds * RATE)), jnp.float32), count, labels, count, count)
    return BatchShape(arrays, rows, seconds)


@pytest.mark.parametrize(
    "need",
    [
        lambda rows, samples: 1e6 + rows * samples,
        lambda rows, samples: 1e6 + rows * samples**2 / 500,  # attention: the longest are the worst
        lambda rows, samples: 1e6 + 9000 * rows,  # labels: the shortest are the worst
    ],
)
def test_the_most_that_fits_is_found_in_a_few_trials(need):
    tried = []

    def noted(shape):
        tried.append(shape)
        return int(need(*size(shape)))

    limit = 3e6
    found = find_batch_seconds(noted, shapes, limit=limit)
    assert max(need(*size(shape)) for shape in shapes(found)) <= limit
    assert max(need(*size(shape)) for shape in shapes(1.15 * found)) > limit
    assert len(tried) <= 3 * 4 + 2


def test_the_most_is_found_where_long_rows_cost_more_than_their_seconds():
    def costly(batch_seconds):
        costs = [s + s * s / 4 for s in LENGTHS]
        made = [shape(max(1, int(batch_seconds / c)), s) for c, s in zip(costs, LENGTHS, strict=True)]
        return [one._replace(cost=c) for one, c in zip(made, costs, strict=True)]

    def need(one):
        rows, samples = size(one)
        return int(1e6 + rows * (samples + samples**2 / 400))

    found = find_batch_seconds(need, costly, limit=3e6)
    assert max(map(need, costly(found))) <= 3e6 < max(map(need, costly(1.15 * found)))


def test_a_model_too_large_for_any_batch_is_reported_in_one_line():
    with pytest.raises(ConfigError, match=r"^a batch of 1 x 10\.00 s needs 5\.00 GB of the 3\.00 GB .*max_seconds"):
        find_batch_seconds(lambda shape: 5_000_000_000, shapes, limit=3e9)


def test_a_step_needs_at_least_its_state_and_more_for_larger_batches():
    @jax.jit
    def step(state, batch, seed):
        return jnp.sin(batch.samples @ jnp.ones((RATE, 50))).sum() + state.sum() + seed, batch.labels.sum()

    state, mesh = jax.ShapeDtypeStruct((1000, 1000), jnp.float32), make_mesh(data=1, devices=jax.devices()[:1])
    small, large = (step_need(step, state, shape(rows, 1.0), mesh=mesh).bytes for rows in (8, 800))
    assert 4e6 < small < 4.1e6 and large - small > 800 * RATE * 4
    limit = device_memory()
    assert limit > 1e8
    printed = describe_needs([Need(shape(8, 1.0), small), Need(shape(2, 1.0), 2 * limit)], limit=limit)
    assert printed.splitlines()[0].split()[:4] == ["8", "x", "1.00", "s"] and "does not fit" in printed.splitlines()[-1]
