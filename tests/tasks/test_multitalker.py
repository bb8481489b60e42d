"""Tests the recipe of models for several speakers: its task, and its size beside that of a plain transducer."""

import jax
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import fastconformer_streaming
from jaxspeech.jobs import find_job
from jaxspeech.jobs.multitalker import MULTITALKER
from jaxspeech.tasks.multitalker import TalkerUtterances


def parameters(size: str) -> int:
    model = fastconformer_streaming.get_config(size).model.to_dict()
    model["decoder"]["vocab_size"] = 1024
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(("size", "width"), [("small", 176), ("xlarge", 1024)])
def test_the_recipe_adds_one_kernel_to_a_streaming_transducer(size, width):
    """Two networks of two projections each, as wide inside as outside."""
    more = parameters(f"{size}-multitalker") - parameters(f"{size}-transducer")
    assert more == 2 * 2 * (width * width + width)


def test_the_recipe_trains_on_talkers():
    model = fastconformer_streaming.get_config("small-multitalker").model.to_dict()
    task = build(model)
    assert find_job(model) is MULTITALKER and task.batch is TalkerUtterances
    assert task.model.encoder.contexts[0] == (70, 13)
