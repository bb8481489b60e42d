"""The recipes of pretraining: their sizes, and how any recipe starts from what they train."""

import json

import jax
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.configs import nest, nest_mini, quickstart
from jaxspeech.configs.recognizers import fastconformer_ctc
from jaxspeech.data.mixing import parse_mixing
from jaxspeech.jobs.pretrained import encoder_of_pretrained
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.warm_start import choose_start, describe_start

# In millions, with the decoder's 8192 codes.
SIZES = {"small": 14.05, "medium": 28.23, "large": 118.8, "xlarge": 616.0}


def settings_of(config):
    return json.loads(config.to_json())  # as a run reads it


def shapes_of(model):
    return jax.eval_shape(build(model).init, jax.random.key(0))


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size):
    settings = settings_of(nest.get_config(size))
    shapes = shapes_of(settings["model"])
    assert sum(x.size for x in jax.tree.leaves(shapes["params"])) / 1e6 == pytest.approx(SIZES[size], rel=1e-2)
    assert shapes["constants"]["quantizer"]["projection"].shape == (640, 1, 16)
    assert (settings["optimizer"]["weight_decay"] == 0) == (size == "small")
    build_optimizer(settings["optimizer"], steps=10)
    assert parse_mixing(settings["mixing"]).noise_share == 0


def test_any_recipe_starts_from_the_encoder_and_says_what_is_new():
    pretrained = settings_of(nest_mini.get_config())["model"]
    recognizer = fastconformer_ctc(**quickstart.ENCODER | {"xscaling": True}).to_dict()
    recognizer["decoder"]["vocab_size"] = 8
    archive = Archive(pretrained, {}, shapes_of(pretrained), {})
    taken = encoder_of_pretrained(recognizer, archive)
    assert taken is not None
    start = choose_start(shapes_of(recognizer), archive.variables, include=taken.include, model="nest.jaxspeech")
    line = describe_start(start, model="nest.jaxspeech", note=taken.note)
    assert line.startswith(
        f"Starting from nest.jaxspeech: {len(start.arrays)} arrays, those of the encoder of a model of"
    )
    assert "encoder.xscaling True here, False there" in line and "; from scratch: decoder; not used: " in line
    assert {path.split("/")[1] for path in start.arrays} == {"encoder"}
    # Further pretraining takes everything; a recogniser is not pretrained.
    assert encoder_of_pretrained(pretrained, archive) is None
    assert encoder_of_pretrained(pretrained, Archive(recognizer, {}, {}, {})) is None
