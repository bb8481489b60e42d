"""Recipes of enhancement build their models, and their data follow the command line."""

import json

import jax
import pytest

from jaxspeech.builder import build
from jaxspeech.cli.overrides import load_config
from jaxspeech.cli.recipes import FOLDER
from jaxspeech.configs.base import base_config
from jaxspeech.jobs.enhancement import check_augment, mixture_settings
from jaxspeech.training.optimizer import build_optimizer

SIZES = {"enhance_mini": 1_365_216, "beamform_mini": 758_785}


def recipe(name, *options):
    return json.loads(load_config(str(FOLDER / f"{name}.py"), options).to_json())  # as `train` reads it


@pytest.mark.parametrize("name", SIZES)
def test_recipe_is_usable(name):
    settings, known = recipe(name, "--config.data_dir=other"), base_config()
    assert set(settings) == {*known, "model", "mixtures", "scores"}
    assert set(settings["augment"]) == set(known.augment) and set(settings["data"]) == {*known.data, "train", "eval"}
    task = build(settings["model"])
    assert sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(task.init, jax.random.key(0)))) == SIZES[name]
    build_optimizer(settings["optimizer"], steps=settings["steps"])
    check_augment(settings)
    options = mixture_settings(settings)
    assert options is not None and task.inference.channels in (None, options.channels)
    assert options.noise == tuple(f"other/{x}/manifest.jsonl" for x in ("noise_rir", "noise_speechcommands"))
    assert {*options.sets} == {*settings["data"]["eval"]} and options.for_set("dev").snr_db == (0, 0)
    assert settings["data"]["eval"]["dev"] == "other/librispeech_mini/dev.jsonl"
    assert options.for_set("dev").generated == 0 < options.generated


def test_own_data():
    changed = recipe(
        "enhance_mini",
        "--config.data.train=speech.jsonl",
        "--config.data.eval.dev=dev.jsonl",
        "--config.mixtures.noise=noises.jsonl",
        "--config.mixtures.held_out=()",
        "--config.mixtures.sets.dev.snr_db=(5.0, 5.0)",
        "--config.mixtures.talkers=(2, 2)",
        "--config.mixtures.targets=('talker', 'talker')",
        "--config.mixtures.keep=early",
    )
    options = mixture_settings(changed)
    assert options is not None and (options.noise, options.held_out) == (("noises.jsonl",), ())
    assert options.talkers == (2, 2) and options.targets == ("talker", "talker") and options.keep == "early"
    assert set(changed["data"]["eval"].values()) == {"dev.jsonl"} and options.for_set("dev").snr_db == (5, 5)
