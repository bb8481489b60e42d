"""The recipes of language models that hear: published sizes, what is trained, and the settings that a run reads."""

from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import salm, salm_mini
from jaxspeech.configs.base import base_config
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.batching import parse_batching
from jaxspeech.data.limits import parse_limits
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.parameters import choose_trainable

OWN = {"chat", "asked", "parts", "model"}


@pytest.mark.parametrize("recipe", [salm, salm_mini])
def test_recipe_is_usable(recipe):
    config: Any = recipe.get_config()
    config.model.decoder.vocab_size = config.model.decoder.vocab_size or 64
    assert build(config.model).inference.vocab_size == config.model.decoder.vocab_size
    build_optimizer(config.optimizer.to_dict(), steps=config.steps)
    parse_augment(config.augment.to_dict())
    parse_batching(config.data.to_dict())
    parse_limits(config.data.to_dict())
    assert {*config} == {*base_config()} | OWN
    assert {*config.data} == {*base_config().data} | {"train", "eval"}
    assert config.loss_reduction == "mean_volume"


def test_the_published_model_trains_all_but_the_language_model():
    config: Any = salm.get_config()
    shapes = jax.eval_shape(build(config.model).init, jax.random.key(0))["params"]
    total = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert abs(total / 1e9 - 2.56) < 0.01
    choice = choose_trainable(freeze=config.freeze)
    assert choice is not None
    trained = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.size
        for (path, leaf), mask in zip(
            jax.tree_util.tree_leaves_with_path(shapes), jax.tree.leaves(choice(shapes)), strict=True
        )
        if np.all(mask)
    }
    lora = {name: size for name, size in trained.items() if name.startswith("decoder/")}
    assert len(lora) == 4 and all("/lora_" in name for name in lora)
    assert sum(lora.values()) == 28 * 128 * (2048 + 2048 + 2048 + 1024)
    assert {name.partition("/")[0] for name in trained} == {"encoder", "connector", "decoder"}
    assert abs(sum(trained.values()) / 1e6 - 839) < 1
