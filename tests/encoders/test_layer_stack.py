"""Layers in one array each, and layers stacked."""

import jax
import numpy as np
import pytest

from jaxspeech.encoders.layer_stack import layers_as


def layer(*, of):
    return {"up": {"kernel": np.full((2, 3), of)}}


APART = {"params": {"voice": {"layers_0": layer(of=0.0), "layers_1": layer(of=1.0), "out": np.ones(2)}}}
STACKED = {"params": {"voice": {"layers": {"up": {"kernel": np.arange(2.0)[:, None, None] + np.zeros((2, 2, 3))}}}}}
STACKED["params"]["voice"]["out"] = np.ones(2)


@pytest.mark.parametrize("like", [APART, STACKED])
@pytest.mark.parametrize("given", [APART, STACKED])
def test_layers_take_the_form_of_another_tree(like, given):
    jax.tree.map(np.testing.assert_array_equal, layers_as(like, given), like)


def test_what_the_other_tree_lacks_stays_as_it_is():
    given = {"params": {"head": {"layers": {"kernel": np.ones((2, 3))}}}}
    assert layers_as(APART, given) == given
