"""The recipes of codecs build models of their sizes, and read nothing but recordings."""

import json

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import codec, codec_mini


@pytest.mark.parametrize(("recipe", "frames", "bits"), [(codec, 22050 / 1024, 1890), (codec_mini, 50.0, 3986)])
def test_codec_recipes(recipe, frames: float, bits: float) -> None:
    settings = json.loads(recipe.get_config().to_json())  # as a run reads it
    task = build(settings["model"])
    kind = task.inference
    np.testing.assert_allclose(kind.sample_rate / kind.frame_samples, frames)
    rate = kind.num_codebooks * np.log2(kind.codebook_size) * frames
    np.testing.assert_allclose(rate, bits, rtol=1e-3)
    assert [phase.name for phase in task.phases] == ["discriminator", "generator"]
    assert kind.causal == (recipe is codec_mini)
    if recipe is codec:  # as many as NeMo's encoder and decoder have
        alone = build(settings["model"] | {"discriminator": {}})  # its discriminators take long to trace
        shapes = jax.eval_shape(alone.init, jax.random.key(0))
        counts = {name: sum(np.prod(x.shape) for x in jax.tree.leaves(part)) for name, part in shapes["params"].items()}
        assert counts["encoder"] == 57_641_200 and counts["decoder"] == 55_056_258
