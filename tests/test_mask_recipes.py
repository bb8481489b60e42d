"""The recipes of masks build models of NeMo's sizes, and describe mixtures of as many channels."""

import json

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import enhancement_mask
from jaxspeech.data.mixture_options import parse_mixtures
from jaxspeech.errors import ConfigError


@pytest.mark.parametrize(
    ("kind", "channels", "parameters"),
    [("single", 1, 7_624_449), ("beamformer", None, 7_624_449), ("flexible", None, 10_700_000)],
)
def test_mask_recipes(kind, channels, parameters):
    settings = json.loads(enhancement_mask.get_config(kind).to_json())  # as a run reads it
    task = build(settings["model"])
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    count = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))
    np.testing.assert_allclose(count, parameters, rtol=0.01)
    assert task.inference.channels == channels
    options = parse_mixtures(settings["mixtures"])
    assert options.channels == (1 if kind == "single" else 4)
    assert options.for_set("dev").channels == options.channels


def test_an_unknown_kind():
    with pytest.raises(ConfigError, match='enhancement_mask:beamfromer is no recipe; did you mean "beamformer"'):
        enhancement_mask.get_config("beamfromer")
