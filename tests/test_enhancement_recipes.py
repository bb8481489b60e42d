"""Recipes that estimate spectra build models of the published sizes, which NeMo's configuration can hold."""

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import enhancement_predictive
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo

# As many as NeMo builds from the configurations that we write.
PARAMETERS = {"ncsnpp": 22_072_206, "conformer_unet": 52_951_558, "conformer_stream": 52_951_558}


@pytest.mark.parametrize(("kind", "parameters"), PARAMETERS.items(), ids=PARAMETERS)
def test_predictive_recipes(kind: str, parameters: int) -> None:
    model = enhancement_predictive.model(kind).to_dict()
    enhancement_predictive.get_config(kind)
    task = build(model)
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    assert sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes["params"])) == parameters
    config, _, returned = to_nemo(Source(model, task.model, {}), {})
    assert from_nemo(config)[1] == returned
    assert config["estimator"]["in_channels"] == 1 and config["num_outputs"] == 1
