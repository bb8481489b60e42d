"""Every recipe builds, at its published size, and its paths and sizes follow the command line."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

from configs import (
    fastconformer_ctc,
    fastconformer_hybrid,
    fastconformer_tdt,
    fastconformer_transducer,
    fsdd,
    fsdd_tdt,
    librispeech,
    librispeech_mini,
    quickstart,
)
from configs.base import base_config
from jaxspeech.configuration import build
from jaxspeech.data.augment import parse_augment
from jaxspeech.training.optimizer import build_optimizer

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {
    "quickstart": quickstart.get_config,
    "fsdd": fsdd.get_config,
    "librispeech_mini": librispeech_mini.get_config,
    "librispeech": librispeech.get_config,
    "fastconformer_ctc": fastconformer_ctc.get_config,
    "quickstart:tdt": partial(quickstart.get_config, "tdt"),
    "fsdd_tdt": fsdd_tdt.get_config,
    "fastconformer_transducer": fastconformer_transducer.get_config,
    "fastconformer_tdt": fastconformer_tdt.get_config,
    "fastconformer_hybrid": fastconformer_hybrid.get_config,
    "fastconformer_hybrid:tdt": partial(fastconformer_hybrid.get_config, "small-tdt"),
}


def count_parameters(config: ConfigDict, *, vocab_size: int) -> int:
    config.model.decoder.vocab_size = vocab_size
    task = build(config.model.to_dict())
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_usable(name):
    config = RECIPES[name]()
    assert count_parameters(config, vocab_size=64) > 0
    build_optimizer(config.optimizer.to_dict(), steps=config.steps)
    parse_augment(config.augment.to_dict())
    # Nothing that train.py does not read, but for what it needs: the manifests.
    known = {name: set(value) for name, value in base_config().items() if isinstance(value, ConfigDict)}
    assert set(config) == {*base_config(), "model"}
    assert set(config.data) == known["data"] | {"train", "eval"}
    assert set(config.augment) == known["augment"]
    assert config.data.prepare or (config.data.train and config.data.eval)


@pytest.mark.parametrize(
    ("size", "millions"), [("small", 12.8), ("medium", 26.4), ("large", 115.6), ("xlarge", 608.8), ("xxlarge", 1062.4)]
)
def test_published_sizes(size, millions):
    config = fastconformer_ctc.get_config(size)
    assert count_parameters(config, vocab_size=1024) / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize(
    ("size", "millions"), [("small", 14.2), ("medium", 31.3), ("large", 114.1), ("xlarge", 616.7), ("xxlarge", 1070.3)]
)
def test_published_sizes_of_transducers(size, millions):
    config = fastconformer_transducer.get_config(size)
    assert count_parameters(config, vocab_size=1024) / 1e6 == pytest.approx(millions, abs=0.1)


def test_unknown_size_names_the_right_ones():
    for recipe in (fastconformer_ctc, fastconformer_transducer, fastconformer_tdt, fastconformer_hybrid):
        with pytest.raises(
            ValueError, match=rf"{recipe.__name__.split('.')[1]}.*small, medium, large, xlarge, xxlarge"
        ):
            recipe.get_config("huge")
    with pytest.raises(ValueError, match="ctc or tdt"):
        quickstart.get_config("rnnt")


def test_manifests_follow_data_dir():
    config = fsdd.get_config()
    assert config.data.train == "data/fsdd/train.jsonl"
    config.data_dir = "/elsewhere"
    assert config.data.train == "/elsewhere/fsdd/train.jsonl"
    assert config.to_dict()["data"]["eval"] == {"dev": "/elsewhere/fsdd/dev.jsonl"}


def test_recipes_load_from_any_folder(tmp_path):
    """As train.py loads them: by path, with only its own folder on the path."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from absl import app, flags\n"
        "from ml_collections import config_flags\n"
        "flag = config_flags.DEFINE_config_file('config')\n"
        "app.run(lambda argv: print(flag.value.model.encoder.width, flag.value.data.train))\n"
    )
    recipe = ROOT / "configs" / "fastconformer_ctc.py"
    command = [sys.executable, "-c", script, f"--config={recipe}:medium", "--config.data.train=mine.jsonl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["256", "('mine.jsonl',)"]
