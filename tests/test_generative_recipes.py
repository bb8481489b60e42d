"""Recipes of generative enhancement build models of the published sizes, which NeMo's configuration can hold."""

import jax
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import enhancement_generative
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo

# As many as NeMo builds from the configurations that we write.
PARAMETERS = {"bridge": 25_161_754, "score": 25_161_754, "flow": 430_792_688, "flow_pretraining": 430_792_688}


@pytest.mark.parametrize(("kind", "parameters"), PARAMETERS.items(), ids=PARAMETERS)
def test_generative_recipes(kind: str, parameters: int) -> None:
    recipe = enhancement_generative.get_config(kind)
    model = recipe.model.to_dict()
    task = build(model)
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == parameters
    config, _, returned = to_nemo(Source(model, task.model, {}), {})
    assert from_nemo(config)[1] == returned
    assert config["estimator"]["in_channels"] == 2 and config["num_outputs"] == 1
    # A flow is pretrained on speech as it is.
    assert (recipe.mixtures.get("noise_probability", 1.0) == 0) == (kind == "flow_pretraining")
