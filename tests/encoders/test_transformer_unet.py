from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.transformer_unet import TransformerUNet
from jaxspeech.errors import ConfigError
from jaxspeech.nn.linear_bias_attention import attend, attend_in_blocks
from tests.encoders.spectra import check_padding_and_batch, noise

TINY: dict[str, Any] = dict(num_layers=2, width=8, num_heads=2, conv_kernel=3, time_width=6)


def test_padding_and_batch_change_nothing() -> None:
    module = TransformerUNet(num_outputs=2, **TINY)
    check_padding_and_batch(module, noise(2, 2, 9, 3), jnp.array([9, 6]), jnp.array([0.9, 0.3]))


def test_blocks_of_queries_attend_as_all_at_once() -> None:
    rng = np.random.default_rng(0)
    query, key, value = (jnp.asarray(rng.normal(size=(2, 150, 2, 4)), jnp.float32) for _ in range(3))
    others = key, value, jnp.array([0.3, 0.1]), jnp.arange(150) < jnp.array([[150], [70]])
    blocks = attend_in_blocks(query, *others, most_scores=64 * 600)
    np.testing.assert_allclose(blocks, attend(query, 0, *others), atol=1e-6)

    # One query, in float64.
    scores = np.einsum("hk,thk->ht", query[1, 9], key[1, :70]).astype(np.float64) / 2
    weights = np.exp(scores - np.abs(9 - np.arange(70)) * np.array([[0.3], [0.1]]))
    expected = np.einsum("ht,thk->hk", weights / weights.sum(1, keepdims=True), value[1, :70])
    np.testing.assert_allclose(blocks[1, 9], expected, atol=1e-6)


@pytest.mark.parametrize("fields", [{"num_layers": 3}, {"width": 9}, {"conv_kernel": 4}])
def test_impossible_sizes_raise(fields: dict) -> None:
    with pytest.raises(ConfigError, match=r"must be (even|odd)"):
        TransformerUNet(**dict(TINY, **fields))


def test_the_time_must_be_given_where_it_is_used() -> None:
    inputs = noise(1, 1, 4, 3), jnp.array([4])
    for timed, message in ((True, "needs the time"), (False, "takes no time")):
        condition = () if timed else (jnp.ones(1),)
        with pytest.raises(ConfigError, match=message):
            jax.eval_shape(
                TransformerUNet(conditioned_on_time=timed, **TINY).init, jax.random.key(0), *inputs, *condition
            )
