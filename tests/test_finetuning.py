"""train.py from a trained model: it must score the same at step 0, and only the chosen parts are trained."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech import train
from jaxspeech.archive import load_archive, save_archive
from jaxspeech.builder import build
from jaxspeech.configs import finetune
from jaxspeech.errors import SpeechError
from jaxspeech.loading import load, read_model
from jaxspeech.text.char import CharTokenizer
from jaxspeech.training.warm_start import choose_start
from tests.interop.random_model import random_archive
from tests.tiny_recipe import get_config
from tests.tone_runs import train_here


@pytest.fixture(scope="module")
def model(tones, tmp_path_factory):
    """A random model that states no scores, with unstacked layers, as the Recognizer saves it."""
    config = get_config(str(tones)).model.to_dict()
    config["encoder"]["scan_layers"] = False
    path = tmp_path_factory.mktemp("model") / "random.jaxspeech"
    save_archive(path, **random_archive(config, CharTokenizer("abc "))._asdict())
    return path


@pytest.fixture(scope="module")
def trained(tones, model, tmp_path_factory):
    """The model after training its head for two steps, which states its word error rate; and what was printed."""
    workdir = tmp_path_factory.mktemp("trained")
    config = tuning(tones, model)
    config.freeze = ("encoder/",)
    out = train_here(config, workdir)
    return workdir / "last.jaxspeech", out


def tuning(tones, model):
    config = finetune.get_config(str(model))
    tiny = get_config(str(tones))
    config.data, config.augment = tiny.data, tiny.augment
    config.steps, config.eval_every, config.checkpoint_every = 2, 2, 2
    return config


def changed(before, after):
    """The names of the parameters that differ."""
    same = jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), before["params"], after["params"])
    leaves = jax.tree_util.tree_leaves_with_path(same)
    return {jax.tree_util.keystr(path, simple=True, separator="/") for path, equal in leaves if not equal}


def test_frozen_parameters_keep_their_bits(model, trained):
    tuned, out = trained
    assert f"Starting from {model}: " in out and "the model states no score for this set" in out
    assert changed(read_model(model).variables, load_archive(tuned).variables) == {
        "decoder/out/bias",
        "decoder/out/kernel",
    }


def test_layers_may_be_apart_that_are_stacked_in_the_model(tones, trained, tmp_path):
    config = tuning(tones, trained[0])
    config.model.encoder.scan_layers = False
    config.steps = 1
    assert "as the model states" in train_here(config, tmp_path)


def test_lora_starts_as_the_model_and_ends_as_an_ordinary_one(tones, trained, tmp_path):
    config = tuning(tones, trained[0])
    config.lora.rank, config.lora.targets = 2, ("query/kernel$", "^decoder/out/kernel$")
    assert "as the model states" in train_here(config, tmp_path)
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert history[0] == {"step": 0, "wer/dev": load_archive(trained[0]).metadata["scores"]["dev"]["wer"]}
    tuned = load_archive(tmp_path / "last.jaxspeech")
    assert changed(load_archive(trained[0]).variables, tuned.variables) == {
        "encoder/layers/attention/query/kernel",
        "decoder/out/kernel",
    }
    assert load(tmp_path / "last.jaxspeech").tokenizer.pieces == tuned.assets["tokenizer"].pieces


@pytest.mark.parametrize("name", ["squeezeformer_ctc", "lstm_rnnt"])
def test_a_nemo_file_gives_the_recipe_its_model_and_all_arrays(name):
    path = Path(__file__).parent / "parity" / "references" / f"{name}.nemo"
    config = finetune.get_config(str(path))
    shapes = jax.eval_shape(build(config.model).init, jax.random.key(0))
    start = choose_start(shapes, read_model(path).variables, model=config.init_from)
    assert not start.unused and len(start.arrays) == len(jax.tree.leaves(shapes))
    assert build(config.model).model == build(read_model(path).model).model


def test_a_field_that_the_archive_does_not_set_can_be_changed(trained):
    config = finetune.get_config(str(trained[0]))
    config.lock()  # as it is when the command line is applied
    config.model.encoder.adapter_width = 4
    shapes = jax.eval_shape(build(config.model).init, jax.random.key(0))
    assert "adapter" in shapes["params"]["encoder"]["layers"]


def test_a_model_that_does_not_reach_its_stated_score_is_refused(tones, trained, tmp_path):
    archive = load_archive(trained[0])
    stated = {name: statement | {"scores": {"wer": 0.01}} for name, statement in archive.metadata["evaluation"].items()}
    wrong = archive._replace(metadata=archive.metadata | {"evaluation": stated})
    save_archive(tmp_path / "wrong.jaxspeech", **wrong._asdict())
    config = tuning(tones, tmp_path / "wrong.jaxspeech")
    with pytest.raises(SpeechError, match=r"states WER 1.00% on dev and reaches .*init.tolerance=1"):
        train.train(config, tmp_path / "run")


def test_a_new_tokenizer_keeps_the_pieces_that_both_have(tones, trained, tmp_path):
    config = tuning(tones, trained[0])
    config.tokenizer.type, config.tokenizer.characters = "char", "zcba "
    config.steps, config.optimizer.schedule = 0, {"name": "constant"}
    out = train_here(config, tmp_path)
    assert "of a model with new parts" in out
    old, new = load_archive(trained[0]), load_archive(tmp_path / "last.jaxspeech")
    for piece in "abc ":
        columns = [
            archive.variables["params"]["decoder"]["out"]["kernel"][:, archive.assets["tokenizer"].pieces.index(piece)]
            for archive in (old, new)
        ]
        np.testing.assert_array_equal(*columns)


def test_settings_that_contradict_each_other_are_reported_in_one_line(tones, trained, tmp_path):
    with pytest.raises(ValueError, match="name a model"):
        finetune.get_config()
    config = get_config(str(tones))
    config.tokenizer.type = "model"
    with pytest.raises(SpeechError, match="init_from must name the model"):
        train.train(config, tmp_path / "none")
    config = tuning(tones, trained[0])
    config.model.encoder.conv_kernel = 5
    with pytest.raises(SpeechError, match=r"does not fit: encoder/layers/convolution/depthwise/kernel is \(1, 9, 16\)"):
        train.train(config, tmp_path / "shapes")
