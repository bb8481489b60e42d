"""The recipes of models that speak: of the published sizes, with settings that a run reads."""

import jax
import pytest
from ml_collections import ConfigDict

from jaxspeech.builder import build
from jaxspeech.configs import fastpitch, voice_quickstart
from jaxspeech.configs.base import base_config
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.updates import build_updates

# Beside those of every recipe.
PARTS = {"front_end", "speakers", "pitch", "scores"}


def parameters(model: dict) -> int:
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def check_settings(config: ConfigDict) -> None:
    build_optimizer(config.optimizer.to_dict(), steps=config.steps)
    assert set(config) == {*base_config(), "model", *PARTS}
    assert set(config.data) == {*base_config().data, "train", "eval", "speakers"}


def test_fastpitch_has_the_published_size():
    config = fastpitch.get_config()
    check_settings(config)
    # NeMo's count for 114 symbols, of which it has the aligner twice.
    assert parameters(config.model.to_dict() | {"vocab_size": 114}) == pytest.approx(45.76e6, rel=1e-3)
    several = fastpitch.get_config("speakers").model.to_dict() | {"vocab_size": 114, "speakers": {"number": 5}}
    assert build(several).inference.num_speakers == 5


def test_the_quickstart_trains_both_models_of_a_voice():
    config = voice_quickstart.get_config()
    check_settings(config)
    model = config.model.to_dict()
    model["speech"] |= {"vocab_size": 88}
    task = build(model)
    assert [phase.name for phase in task.phases] == ["discriminator", "generator", "speech"]
    assert parameters(model) < 6e6
    build_updates(config.optimizer.to_dict(), task.phases, steps=10)
