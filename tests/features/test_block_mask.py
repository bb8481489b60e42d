"""Tests block masks against a loop over the frames."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features.block_mask import BlockMask, MaskDraws, draw_masks

T = 40
LENGTHS = np.array([40, 31, 7, 0])
RNG = np.random.default_rng(1)
DRAWS = MaskDraws(jnp.asarray(RNG.random((4, T)), jnp.float32), jnp.asarray(RNG.random(4), jnp.float32))


def overlapping(block, probability):
    mask = np.zeros((4, T), bool)
    for row, length in enumerate(LENGTHS):
        for t in range(length - block + 1):
            mask[row, t : t + block] |= DRAWS.scores[row, t] < probability
    return mask


def separate(block, probability):
    mask = np.zeros((4, T), bool)
    for row, length in enumerate(LENGTHS):
        count, size = math.ceil(length * probability / block), block
        if (count + 1) * size > length:
            size = max(length // (count + 1), 1)
        slots = max(length // size - 1, 0)
        chosen = np.argsort(-np.asarray(DRAWS.scores[row, :slots]))[: min(count, slots)]
        for slot in chosen:
            start = slot * size + int(DRAWS.offsets[row] * size)
            mask[row, start : start + size] = True
    return mask


@pytest.mark.parametrize(("block", "probability"), [(5, 0.1), (12, 0.5), (64, 0.5), (3, 0.0), (1, 1.0), (4, 1.0)])
@pytest.mark.parametrize("expected", [overlapping, separate])
def test_masks(expected, block, probability):
    module = BlockMask(block=block, probability=probability, overlap=expected is overlapping)
    found = np.asarray(module.mask(DRAWS, jnp.asarray(LENGTHS)))
    np.testing.assert_array_equal(found, expected(block, probability))
    assert not found[np.arange(T) >= LENGTHS[:, None]].any()


def test_a_mask_follows_from_the_examples_number_alone():
    """Neither the other rows nor the padding change it."""
    key = jax.random.key(5)
    whole = draw_masks(key, jnp.array([3, 9, -1]), 50)
    alone = draw_masks(key, jnp.array([9]), 20)
    np.testing.assert_array_equal(whole.scores[1, :20], alone.scores[0])
    np.testing.assert_array_equal(whole.offsets[1], alone.offsets[0])
    assert not np.any(whole.scores[0] == whole.scores[1])


@pytest.mark.parametrize(
    ("fields", "collection"), [({}, "constants"), ({"value": 2.0}, "constants"), ({"trained": True}, "params")]
)
def test_masked_frames_become_one_vector(fields, collection):
    module = BlockMask(block=5, probability=0.2, **fields)
    features, lengths = jnp.asarray(RNG.normal(size=(4, 30, 3)), jnp.float32), jnp.array([30, 30, 20, 3])
    variables = module.init(jax.random.key(0), features, lengths, DRAWS)
    assert [*variables] == [collection]
    vector = variables[collection]["embedding"]
    assert ("value" not in fields) or np.all(vector == 2.0)
    hidden, mask = module.apply(variables, features, lengths, DRAWS)
    np.testing.assert_array_equal(hidden, np.where(np.asarray(mask)[:, :, None], vector, features))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"block": 0}, "block 0 must be at least 1"),
        ({"probability": 1.5}, "probability is 1.5: must be from 0 to 1"),
        ({"value": 0.0, "trained": True}, "a mask with a fixed value is not trained"),
    ],
)
def test_fields_out_of_range(fields, message):
    with pytest.raises(ConfigError, match=message):
        BlockMask(**fields)
