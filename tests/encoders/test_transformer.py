import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.encoders.transformer import Transformer
from jaxspeech.errors import ConfigError
from tests.encoders.properties import check_padding_and_batch, filled

SMALL = dict(num_layers=2, width=16, num_heads=2, ff_expansion=1.5)
VARIANTS = {
    "relative": dict(qk_norm=True),
    "absolute": dict(attention="abs_pos", subsampling="stacking_norm", xscaling=True, qkv_bias=True, output_width=12),
    "no positions": dict(attention="none", norm_in=False),
}


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_padding_and_batch_change_nothing(fields: dict) -> None:
    check_padding_and_batch(*filled(Transformer(**SMALL, **fields)))


def test_the_context_is_limited_and_only_positions_distinguish_equal_frames() -> None:
    module, variables, features, num_frames = filled(Transformer(**SMALL, attention_context=(-1, 0)))
    apply = jax.jit(module.apply)
    encoded, _ = apply(variables, features, num_frames)
    changed, _ = apply(variables, features.at[:, 40:].add(1.0), num_frames)
    np.testing.assert_allclose(encoded[:, :10], changed[:, :10], atol=1e-5)

    module, variables, features, num_frames = filled(Transformer(**SMALL, attention="none"))
    features = features[:1].at[:, 4:].set(features[:1, :1])  # from the second group on, all frames are the same
    encoded, _ = jax.jit(module.apply)(variables, features, num_frames[:1])
    np.testing.assert_allclose(encoded[0, 1:20], np.broadcast_to(encoded[0, 1], (19, 16)), atol=1e-4)


def test_a_width_not_divisible_by_the_heads_raises() -> None:
    config = {"task": "ctc", "features": {"name": "mel"}, "decoder": {"name": "ctc", "vocab_size": 3}}
    with pytest.raises(ConfigError, match=r"model\.encoder: width 16 is not divisible by num_heads, 3"):
        build(config | {"encoder": {"name": "transformer", **SMALL, "num_heads": 3}})
