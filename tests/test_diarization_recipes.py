"""Recipes of diarization models build models of the published sizes, from what training reads."""

import jax
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import fastconformer_ctc, sortformer, sortformer_mini, speakers_mini
from jaxspeech.configs.base import base_config
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.conversation_options import parse_conversations
from jaxspeech.errors import ConfigError
from jaxspeech.jobs.sortformer import session_settings
from jaxspeech.training.optimizer import build_optimizer

# Published: 123 and 117 million.
SIZES = {"small": 15_154_228, "large": 123_218_436, "large-streaming": 117_692_420}


def shapes_of(model):
    return jax.eval_shape(build(model).init, jax.random.key(0))["params"]


@pytest.mark.parametrize("size", SIZES)
def test_recipe_is_usable(size):
    config = sortformer.get_config(size)
    settings, known = config.to_dict(), base_config()
    assert set(config) == {*known, "model", "sessions"}
    assert set(config.augment) == set(known.augment) and set(config.data) == {*known.data, "train", "eval"}
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes_of(settings["model"]))) == SIZES[size]
    parse_augment(settings["augment"])
    build_optimizer(settings["optimizer"], steps=settings["steps"])
    assert session_settings(settings).seconds == 90.0
    model = build(settings["model"]).model
    live = size == "large-streaming"
    assert (model.streaming is not None, not model.scale_audio) == (live, live)


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_encoder_is_that_of_the_recogniser_of_this_size(size):
    ours, theirs = (shapes_of(recipe.get_config(size).model.to_dict()) for recipe in (sortformer, fastconformer_ctc))
    assert jax.tree.map(lambda leaf: leaf.shape, ours["encoder"]) == jax.tree.map(
        lambda leaf: leaf.shape, theirs["encoder"]
    )


def test_an_unknown_size_is_named():
    with pytest.raises(ValueError, match="the sizes are small, large, large-streaming"):
        sortformer.get_config("medium")


def test_the_small_recipe_starts_from_the_blocks_of_the_speaker_model():
    settings, speakers = sortformer_mini.get_config().to_dict(), speakers_mini.get_config().to_dict()
    ours = shapes_of(settings["model"])
    theirs = shapes_of(speakers["model"] | {"decoder": speakers["model"]["decoder"] | {"num_classes": 3}})
    assert sum(leaf.size for leaf in jax.tree.leaves(ours)) == 1_102_611
    for block in range(5):
        one, other = ours["encoder"][f"block_{block}"], theirs["encoder"][f"block_{block}"]
        assert jax.tree.map(lambda leaf: leaf.shape, one) == jax.tree.map(lambda leaf: leaf.shape, other)
    assert build(settings["model"]).inference.frame_seconds == 0.08
    settings["conversations"].pop("sessions")
    options = parse_conversations(settings["conversations"])
    assert (
        options.leave_out == ("data/librispeech_mini/dev.jsonl",)
        and options.seconds[1] <= settings["data"]["buckets"][-1]
    )
    parse_augment(settings["augment"])
    build_optimizer(settings["optimizer"], steps=settings["steps"])


def test_streams_need_a_fastconformer():
    model = sortformer_mini.get_config().to_dict()["model"]
    model["features"] = model["features"] | {"normalize": "none"}
    with pytest.raises(ConfigError, match="streaming needs a fastconformer as the encoder, not Jasper"):
        build(model | {"streaming": {"chunk": 6, "left": 1, "right": 7, "queue": 188, "update": 144, "cache": 188}})
    with pytest.raises(ConfigError, match="causal_share needs an encoder"):
        build(model | {"causal_share": 0.5})
