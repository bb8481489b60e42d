"""Masked patches: their number and places, bands, and that nothing depends on padding."""

import jax
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features.masked_patches import MaskedPatches

LENGTHS = np.array([100, 57, 9, 0, 100])


@pytest.fixture(scope="module")
def masked():
    masking = MaskedPatches(10, 0.35, freq_masks=2, freq_width=4)
    features = np.random.default_rng(0).normal(size=(len(LENGTHS), 100, 12)).astype(np.float32)
    features[np.arange(100) >= LENGTHS[:, None]] = np.nan
    keys = jax.random.split(jax.random.key(0), len(LENGTHS))
    return features, *(np.asarray(part) for part in jax.jit(masking)(features, LENGTHS, keys)), masking, keys


def test_whole_patches_of_the_rows_own_are_masked(masked):
    features, silenced, hidden, masking, _ = masked
    # ceil(35 / 10), ceil(19 / 10), none where there is no whole patch.
    assert hidden.sum(1).tolist() == [40, 20, 0, 0, 40] == [10 * masking.number(n) for n in LENGTHS.tolist()]
    patches = hidden.reshape(len(hidden), 10, 10)
    np.testing.assert_array_equal(patches.any(2), patches.all(2))
    assert not hidden[np.arange(100) >= LENGTHS[:, None]].any() and not silenced[hidden].any()
    assert (hidden[0] != hidden[4]).any()
    for row, n in enumerate(LENGTHS):  # what is neither in a patch nor in a band is as it was
        bands = (silenced[row, :n] == 0).all(0)
        kept = ~hidden[row, :n, None] & ~bands
        np.testing.assert_array_equal(silenced[row, :n][kept], features[row, :n][kept])
    assert any(0 < (silenced[row, : LENGTHS[row]] == 0).all(0).sum() <= 6 for row in (0, 1, 4))


def test_a_row_does_not_depend_on_the_others_or_on_padding(masked):
    features, silenced, hidden, masking, keys = masked
    alone, mask = masking(features[1:2, :60], LENGTHS[1:2], keys[1:2])
    np.testing.assert_array_equal(mask[0], hidden[1, :60])
    np.testing.assert_array_equal(alone[0, :57], silenced[1, :57])


def test_numbers_of_patches():
    assert [MaskedPatches(10, 3).number(n) for n in (0, 9, 25, 99)] == [0, 0, 2, 3]
    assert [MaskedPatches(10, p).number(40) for p in (0, 0.01, 0.999)] == [0, 0, 4]
    with pytest.raises(ConfigError, match="patch_frames"):
        MaskedPatches(0)
