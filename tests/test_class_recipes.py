"""Recipes of classifiers and of speakers build models of the published sizes, which NeMo's configuration can hold."""

from functools import partial

import jax
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import (
    ambernet,
    finetune,
    marblenet_live,
    marblenet_vad,
    matchboxnet,
    speakers_mini,
    titanet,
    wakewords,
)
from jaxspeech.configs.base import base_config
from jaxspeech.data.augment import parse_augment
from jaxspeech.forms.embedding_head import classifying, embedding
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo
from jaxspeech.jobs.labels import class_settings
from jaxspeech.text.classes import Classes
from jaxspeech.training.optimizer import build_optimizer

# Recipe -> number of classes, parameters. Published: 77 and 93 thousand for 30 classes, 91,378 for the frame VAD, and
# 23.5 million for the large TitaNet with 7205 speakers. NeMo builds as many from the configurations that we write.
RECIPES = {
    "matchboxnet:commands": (matchboxnet.get_config, 30, 92_766),
    "matchboxnet:commands-3x1x64": (partial(matchboxnet.get_config, "commands-3x1x64"), 30, 77_214),
    "wakewords": (wakewords.get_config, 6, 89_670),
    "marblenet_vad": (marblenet_vad.get_config, 2, 91_378),
    "marblenet_live": (marblenet_live.get_config, 2, 93_170),
    "marblenet_live:short": (partial(marblenet_live.get_config, "short"), 2, 93_170),
}
SPEAKERS = {
    "titanet:large": (titanet.get_config, 7205, 23_505_648),
    "titanet:small": (partial(titanet.get_config, "small"), 7205, 8_208_624),
    "speakers_mini": (speakers_mini.get_config, 75, 590_800),
}


@pytest.mark.parametrize("name", SPEAKERS)
def test_speaker_recipes(name):
    make, count, size = SPEAKERS[name]
    settings = make().to_dict()
    model = settings["model"]
    model["decoder"]["num_classes"] = count
    model["decoder"].pop("center", None)  # which NeMo does not have, so that such a model is refused
    task = build(model)
    variables = jax.eval_shape(task.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == size
    parse_augment(settings["augment"])
    build_optimizer(settings["optimizer"], steps=settings["steps"])
    assert class_settings(settings).field == ("speaker" if name == "speakers_mini" else "label")
    written = to_nemo(Source(model, task.model, {"classes": Classes(map(str, range(count)))}), {})
    assert written.model["decoder"]["embedding_widths"] == model["decoder"]["embedding_widths"]
    assert written.config["train_ds"]["labels"][:2] == ["0", "1"]
    assert written.config["decoder"]["num_classes"] == count and written.config["loss"]["margin"] == 0.2


# Published for langid_ambernet: 28.9 million.
def test_ambernet_has_the_published_size():
    model = ambernet.get_config().model.to_dict() | {"num_classes": 107}
    variables = jax.eval_shape(build(model).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 28_926_299
    source = Source(embedding(model), build(embedding(model)).model, {"classes": Classes(map(str, range(107)))})
    written = to_nemo(source, {}).config
    assert written["target"].endswith("EncDecSpeakerLabelModel") and written["decoder"]["num_classes"] == 107
    assert classifying(from_nemo(written)[1])["encoder"]["blocks"][1]["repeat"] == 5


def test_titanet_has_dropout_in_its_residual_blocks_only():
    for size in ("small", "large"):
        blocks = titanet.get_config(size).model.encoder.blocks
        assert [(block["dropout"], block.get("repeat", 1)) for block in blocks] == [(0, 1), *[(0.1, 3)] * 3, (0, 1)]


def test_recipes_have_only_what_training_reads():
    for make, *_ in (*RECIPES.values(), *SPEAKERS.values()):
        config, known = make(), base_config()
        assert set(config) - {"speakers"} == {*known, "model", "classes"}
        assert set(config.augment) == set(known.augment)
        assert set(config.data) - {"balance", "train", "eval"} <= set(known.data)


@pytest.mark.parametrize("name", RECIPES)
def test_size_settings_and_nemos_configuration(name, tmp_path, monkeypatch):
    make, count, size = RECIPES[name]
    settings = make().to_dict()
    model = settings["model"] | {"num_classes": count}
    task = build(model)
    variables = jax.eval_shape(task.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == size
    parse_augment(settings["augment"])
    build_optimizer(settings["optimizer"], steps=settings["steps"])
    assert class_settings(settings).field == "label"

    model = model | {"label_smoothing": 0.0}
    source = Source(model, build(model).model, {"classes": Classes(map(str, range(count)))})
    written = to_nemo(source, {})
    assert from_nemo(written.config)[1]["encoder"]["blocks"][0]["filters"] == 128
    assert written.config["labels"] == [str(number) for number in range(count)]


def test_fine_tuning_keeps_the_classes_of_the_model(tmp_path):
    from jaxspeech.archive import save_archive
    from tests.pipelines.frame_model import frame_archive

    save_archive(tmp_path / "m.jaxspeech", **frame_archive()._asdict())
    config = finetune.get_config(str(tmp_path / "m.jaxspeech"))
    assert config.classes.names == "model" and config.model.task == "frame_classification"


def test_an_unknown_size_is_named():
    with pytest.raises(ValueError, match="the sizes are commands, commands-3x1x64"):
        matchboxnet.get_config("large")


@pytest.mark.parametrize("data", speakers_mini.DATA)
def test_a_small_speaker_model(data):
    settings = speakers_mini.get_config(data).to_dict()
    model = settings["model"] | {"decoder": settings["model"]["decoder"] | {"num_classes": 381}}
    variables = jax.eval_shape(build(model).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 629_968
    augment = parse_augment(settings["augment"])
    assert augment.crop_to[1] == settings["data"]["buckets"][-1] and (augment.noise is None) == (data == "alone")
    with pytest.raises(ValueError, match="the choices are corpora, alone"):
        speakers_mini.get_config("other")
