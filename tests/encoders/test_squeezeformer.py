from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.encoders.squeezeformer import Squeezeformer
from jaxspeech.errors import ConfigError
from tests.encoders.properties import check_padding_and_batch, filled

SMALL = dict(num_layers=3, width=16, num_heads=2, subsampling_channels=4, conv_kernel=5, ff_expansion=1)
VARIANTS = {
    "reduced": dict(reduce_at=1),
    "limited": dict(reduce_at=0, recover_at=1, attention_context=(4, 2), untied_biases=False, output_width=12),
    "absolute": dict(attention="abs_pos", subsampling="striding", conv_norm="layer"),
}


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_padding_and_batch_change_nothing(fields: dict) -> None:
    check_padding_and_batch(*filled(Squeezeformer(**SMALL, **fields)))


def test_the_middle_layers_see_half_the_frames() -> None:
    module, variables, features, num_frames = filled(Squeezeformer(**SMALL, reduce_at=1))
    apply = jax.jit(partial(module.apply, layers=("input", 0, 1, 2)))
    encoded, lengths, layers = apply(variables, features, num_frames)
    assert [layer.frames.shape[1] for layer in layers] == [25, 25, 13, 25]  # recovered before the last layer
    np.testing.assert_array_equal([layer.num_frames for layer in layers], [lengths, lengths, [13, 8, 4], lengths])
    np.testing.assert_array_equal(encoded, layers[-1].frames)
    np.testing.assert_array_equal(lengths, [25, 16, 8])


def test_half_precision_follows_float32() -> None:
    module, variables, features, num_frames = filled(Squeezeformer(**SMALL, reduce_at=1))
    encoded, lengths = jax.jit(module.clone(dtype=jnp.bfloat16).apply)(variables, features, num_frames)
    exact, _ = jax.jit(module.apply)(variables, features, num_frames)
    assert encoded.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(encoded[0, : lengths[0]], np.float32), exact[0, : lengths[0]], atol=0.2)


@pytest.mark.parametrize("places", [{"reduce_at": 2}, {"reduce_at": 1, "recover_at": 1}, {"reduce_at": -1}])
def test_layers_in_the_wrong_order_raise(places: dict) -> None:
    config = {"task": "ctc", "features": {"name": "mel"}, "decoder": {"name": "ctc", "vocab_size": 3}}
    with pytest.raises(ConfigError, match=r"model\.encoder: reduce_at -?\d and recover_at \d must be layers between"):
        build(config | {"encoder": {"name": "squeezeformer", **SMALL, **places}})
