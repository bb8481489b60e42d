"""The recipe of contrastive pretraining: its sizes, and the heads that it trains."""

import json

import jax
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import contrastive
from jaxspeech.training.optimizer import build_optimizer

# In millions, with the 320 x 320 codes that are predicted.
SIZES = {"small": 31.2, "large": 161.8}


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size):
    settings = json.loads(contrastive.get_config(size).to_json())  # as a run reads it
    shapes = jax.eval_shape(build(settings["model"]).init, jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(shapes["params"])) / 1e6 == pytest.approx(SIZES[size], rel=1e-2)
    assert shapes["params"]["masked_head"]["out"]["kernel"].shape[1] == 320**2 + 1
    build_optimizer(settings["optimizer"], steps=10)


def test_an_unknown_size_is_named():
    with pytest.raises(ValueError, match=r"contrastive\.py:huge: the sizes are small, large"):
        contrastive.get_config("huge")
