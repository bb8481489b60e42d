"""Hidden patches of frames, against NeMo's masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features.patches import Patches
from tests.parity.reference import arrays_of


def test_patches_are_hidden_as_in_nemo(request):
    nemo, _ = arrays_of("enh_flow_ssl", request)
    masks = nemo["ssl_mask_eval"]
    np.testing.assert_array_equal(Patches().fixed(masks.shape[1]), masks[0])
    lengths = np.array([90, 55])
    hidden = [int((nemo["ssl_mask_train_seed3"][row, :n] == 0).sum()) for row, n in enumerate(lengths)]
    drawn = Patches().drawn(jax.random.split(jax.random.key(0), 2), jnp.asarray(lengths), 90)
    assert [int((~drawn[row]).sum()) for row in range(2)] == hidden


def test_whole_patches_are_drawn_evenly_and_not_by_the_padding():
    patches = Patches(patch_frames=3, hidden=0.5)
    keys, lengths = jax.random.split(jax.random.key(1), 400), jnp.full(400, 13)
    shown = np.asarray(patches.drawn(keys, lengths, 20))
    np.testing.assert_array_equal(shown[:, :13], patches.drawn(keys, lengths, 13))
    assert shown[:, 12:].all()
    whole = shown[:, :12].reshape(400, 4, 3)
    assert (whole == whole[:, :, :1]).all() and set((~whole[:, :, 0]).sum(1)) == {patches.number(13)} == {2}
    assert np.abs(whole[:, :, 0].mean(0) - 0.5).max() < 0.1


def test_wrong_settings():
    with pytest.raises(ConfigError, match="patch_frames"):
        Patches(patch_frames=0)
