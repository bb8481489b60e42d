"""Every recipe builds a model of the published size, and its paths and sizes follow the command line."""

import ast
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxspeech.builder import build
from jaxspeech.configs import (
    canary,
    citrinet,
    conformer_ctc,
    conformer_ctc_char,
    conformer_hybrid,
    conformer_multiblank,
    conformer_streaming,
    conformer_tdt,
    conformer_tdt_stateless,
    conformer_transducer,
    contextnet,
    fastconformer_ctc,
    fastconformer_hybrid,
    fastconformer_streaming,
    fastconformer_tdt,
    fastconformer_transducer,
    fsdd,
    fsdd_aed,
    fsdd_base,
    fsdd_tdt,
    fsdd_tuned,
    jasper_10x5dr,
    librispeech,
    librispeech_mini,
    lstm_ctc,
    lstm_transducer,
    quartznet_15x5,
    quickstart,
    quickstart_languages,
    squeezeformer_ctc,
    two_tasks,
)
from jaxspeech.configs.base import base_config
from jaxspeech.data.augment import parse_augment
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.training.optimizer import build_optimizer

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {
    "quickstart": quickstart.get_config,
    "fsdd": fsdd.get_config,
    "librispeech_mini": librispeech_mini.get_config,
    "librispeech": librispeech.get_config,
    "fastconformer_ctc": fastconformer_ctc.get_config,
    "quickstart:tdt": partial(quickstart.get_config, "tdt"),
    "quickstart:open": partial(quickstart.get_config, "open"),
    "quickstart_languages": quickstart_languages.get_config,
    "quickstart_languages:eo": partial(quickstart_languages.get_config, "eo"),
    "fsdd_tdt": fsdd_tdt.get_config,
    "fsdd_aed": fsdd_aed.get_config,
    "fsdd_base": fsdd_base.get_config,
    "fsdd_tuned": fsdd_tuned.get_config,
    "two_tasks": two_tasks.get_config,
    "fastconformer_transducer": fastconformer_transducer.get_config,
    "fastconformer_tdt": fastconformer_tdt.get_config,
    "fastconformer_hybrid": fastconformer_hybrid.get_config,
    "fastconformer_streaming": fastconformer_streaming.get_config,
    "fastconformer_streaming:large-hybrid": partial(fastconformer_streaming.get_config, "large-hybrid"),
    "canary": canary.get_config,
    "canary:1b": partial(canary.get_config, "1b"),
    "quartznet_15x5": quartznet_15x5.get_config,
    "jasper_10x5dr": jasper_10x5dr.get_config,
    "citrinet": partial(citrinet.get_config, "256"),
    "contextnet": partial(contextnet.get_config, "256"),
    "conformer_ctc": conformer_ctc.get_config,
    "conformer_transducer": conformer_transducer.get_config,
    "lstm_ctc": lstm_ctc.get_config,
    "lstm_transducer": lstm_transducer.get_config,
    "squeezeformer_ctc": squeezeformer_ctc.get_config,
    "conformer_tdt": conformer_tdt.get_config,
    "conformer_tdt_stateless": conformer_tdt_stateless.get_config,
    "conformer_multiblank": conformer_multiblank.get_config,
    "conformer_hybrid": conformer_hybrid.get_config,
    "conformer_streaming": conformer_streaming.get_config,
    "conformer_streaming:large-transducer": partial(conformer_streaming.get_config, "large-transducer"),
    "conformer_ctc_char": conformer_ctc_char.get_config,
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
    config.model.decoder.vocab_size = 64
    assert build(config.model).inference.vocab_size == 64
    build_optimizer(config.optimizer.to_dict(), steps=config.steps)
    parse_augment(config.augment.to_dict())
    # Only what train.py reads, and the manifests, which it needs.
    known = {name: set(value) for name, value in base_config().items() if isinstance(value, ConfigDict)}
    assert set(config) - {"prompt", "code_switched"} == {*base_config(), "model"}
    assert set(config.data) == known["data"] | {"train", "eval"}
    assert set(config.augment) == known["augment"]
    assert config.data.prepare or (config.data.train and config.data.eval)


# The numbers of parameters of NeMo's models of these configurations, with 1024 tokens or 28 characters.
NEMO_COUNTS = {
    quartznet_15x5: {"": 18_924_381},
    jasper_10x5dr: {"": 332_632_349},
    citrinet: {"256": 10_259_729, "384": 21_472_529, "512": 36_994_321, "1024": 141_224_337},
    contextnet: {"256": 14_522_513, "512": 40_761_489, "1024": 144_947_345},
    lstm_ctc: {"": 137_449_729},
    lstm_transducer: {"": 162_551_937},
    squeezeformer_ctc: {"xsmall": 9_161_873, "medium_large": 125_485_569, "large": 236_828_545},
    conformer_ctc: {"small": 13_154_033, "medium": 30_768_897, "large": 121_960_961, "xlarge": 636_360_705},
    conformer_transducer: {"small": 14_610_753, "medium": 32_497_153, "large": 120_444_929, "xlarge": 644_253_185},
    conformer_ctc_char: {"": 27_334_941},
    conformer_tdt: {"large": 120_448_134},
    conformer_tdt_stateless: {"large": 117_166_214},
    conformer_multiblank: {"large": 120_446_852},
    conformer_hybrid: {"large": 120_970_754},
    conformer_streaming: {"large": 122_223_105, "large-transducer": 120_707_073},
    fastconformer_hybrid: {"large": 114_621_442, "large-tdt": 115_411_079},
    fastconformer_streaming: {"large": 109_419_009, "large-transducer": 114_226_689, "large-hybrid": 114_752_514},
}
# The sizes in NeMo's tables of published models, in millions.
PUBLISHED = {
    fastconformer_ctc: {"small": 12.8, "medium": 26.4, "large": 115.6, "xlarge": 608.8, "xxlarge": 1062.4},
    canary: {"180m-flash": 182.6, "1b-flash": 883.6},  # with 5248 tokens
    fastconformer_transducer: {"small": 14.2, "medium": 31.3, "large": 114.1, "xlarge": 616.7, "xxlarge": 1070.3},
}


def sizes(table):
    """The cases of a table; of the deep models that take seconds to count, the sizes in between are slow tests."""
    deep = {citrinet: ("384", "512"), contextnet: ("512",), squeezeformer_ctc: ("medium_large",)}
    return [
        pytest.param(recipe, s, n, id=f"{recipe.__name__}:{s}", marks=pytest.mark.slow if slow else ())
        for recipe, row in table.items()
        for s, n in row.items()
        for slow in [s in deep.get(recipe, ())]
    ]


@pytest.mark.parametrize(("recipe", "size", "parameters"), sizes(NEMO_COUNTS))
def test_as_many_parameters_as_nemo(recipe, size, parameters):
    config = recipe.get_config(size) if size else recipe.get_config()
    # NeMo's embedding has a row for the blank, which is zero; ours has none.
    blank = config.model.decoder.width if config.model.task != "ctc" else 0
    assert count_parameters(config, vocab_size=len(config.tokenizer.characters) or 1024) == parameters - blank


@pytest.mark.slow
def test_a_cache_aware_hybrid_with_a_stateless_prediction_learns():
    """The other kinds of recipe learn in tests/tasks and tests/contract."""
    model = fastconformer_streaming.get_config("large-hybrid").model.to_dict()
    small = {"num_layers": 1, "width": 16, "num_heads": 2, "subsampling_channels": 4, "dtype": "float32"}
    model["encoder"] |= small | {"remat": "none"}
    stateless = conformer_tdt_stateless.get_config().model.decoder.to_dict()
    model["decoder"] = stateless | {
        "durations": (),
        "vocab_size": 9,
        "width": 12,
        "joint_width": 10,
        "dtype": "float32",
    }
    task = build(model)
    rng = np.random.default_rng(0)
    samples, num_samples = rng.normal(size=(2, 8000)).astype(np.float32), np.array([8000, 7000], np.int32)
    labels, num_labels = rng.integers(0, 9, (2, 3)).astype(np.int32), np.array([3, 2], np.int32)
    batch = Utterances(samples, num_samples, labels, num_labels, np.arange(2, dtype=np.int32))
    variables = jax.jit(task.init)(jax.random.key(0))

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        # The same key: the same dropout, masks and look-ahead.
        losses, _ = task.loss(variables | {"params": params}, batch, jax.random.key(1))
        return losses.mean()

    before, gradient = loss(variables["params"])
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient["decoder"]))
    after, _ = loss(jax.tree.map(lambda p, g: p - 1e-3 * g, variables["params"], gradient))
    assert np.isfinite(before) and after < before


@pytest.mark.parametrize(("recipe", "size", "millions"), sizes(PUBLISHED))
def test_published_sizes(recipe, size, millions):
    tokens = 5248 if recipe is canary else 1024
    assert count_parameters(recipe.get_config(size), vocab_size=tokens) / 1e6 == pytest.approx(millions, abs=0.1)


def test_the_error_for_an_unknown_size_names_the_known_ones():
    recipes = (fastconformer_ctc, fastconformer_transducer, fastconformer_tdt, fastconformer_hybrid)
    recipes += (conformer_tdt, conformer_tdt_stateless, conformer_multiblank, conformer_hybrid)
    for recipe in (*recipes, conformer_ctc, conformer_transducer):
        with pytest.raises(ValueError, match=rf"{recipe.__name__.split('.')[1]}.*small, medium, large, xlarge"):
            recipe.get_config("huge")
    with pytest.raises(ValueError, match="ctc, tdt, open"):
        quickstart.get_config("rnnt")


def test_manifests_follow_data_dir():
    config = fsdd.get_config()
    assert config.data.train == "data/fsdd/train.jsonl"
    config.data_dir = "/elsewhere"
    assert config.data.train == "/elsewhere/fsdd/train.jsonl"
    assert config.to_dict()["data"]["eval"] == {"dev": "/elsewhere/fsdd/dev.jsonl"}


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        ("mine.jsonl", [("mine.jsonl", 1.0)]),
        ('{"path": "mine.jsonl", "weight": 2}', [("mine.jsonl", 2.0)]),
        ('("a.jsonl", {"path": "b.jsonl", "weight": 3})', [("a.jsonl", 1.0), ("b.jsonl", 3.0)]),
    ],
)
def test_recipes_load_from_any_folder(tmp_path, given, sources):
    """Loads a recipe as train.py does: by path, with only its own folder in sys.path."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from absl import app, flags\n"
        "from ml_collections import config_flags\n"
        "from jaxspeech.data.sources import parse_sources\n"
        "flag = config_flags.DEFINE_config_file('config')\n"
        "def main(argv):\n"
        "    sources = parse_sources(flag.value.data.to_dict()['train'])\n"
        "    print([flag.value.model.encoder.width, [(source.path.name, source.weight) for source in sources]])\n"
        "app.run(main)\n"
    )
    recipe = ROOT / "jaxspeech" / "configs" / "fastconformer_ctc.py"
    command = [sys.executable, "-c", script, f"--config={recipe}:medium", f"--config.data.train={given}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == [256, sources]
