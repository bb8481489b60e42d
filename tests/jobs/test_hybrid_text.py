"""Runs that train a recogniser on lines of text, spoken by a toy generator in which each letter is a spectrum."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxspeech import builder, jobs
from jaxspeech.archive import Archive, load_archive, save_archive
from jaxspeech.configs import hybrid_text
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.hybrid_text import HYBRID_TEXT as HYBRID_TEXT_JOB
from jaxspeech.jobs.job import Placement
from jaxspeech.loading import read_archive
from jaxspeech.run_start import load
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.text.char import CharTokenizer
from tests.contract.cases import HYBRID_TEXT, RECOGNITION, toys_in_the_tables
from tests.contract.toys import generator as toy
from tests.tiny_recipe import get_config
from tests.tone_runs import train_here

# In so many epochs each line is shown a whole number of times.
EPOCHS = 3
LINES = ["a b", "b", "c a b", "b a", "c", "a"]


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toys_in_the_tables():
        yield


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> Path:
    return toy.save_toy(tmp_path_factory.mktemp("generator") / "toy.jaxspeech")


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "lines.txt"
    path.write_text("\n".join(LINES) + "\n\n")
    return path


def recipe(tones: Path, texts: Any, generator: Path, **text: Any) -> ConfigDict:
    config = get_config(str(tones))
    config.model = ConfigDict(HYBRID_TEXT)
    config.text = ConfigDict({"train": str(texts), "generator": str(generator), **text})
    config.data.batch_size = config.data.eval_batch_size = 4
    config.augment.speed = (0.5, 1.0)
    config.steps = config.eval_every = config.checkpoint_every = 2
    return config


def data_of(config: ConfigDict, workdir: Path) -> tuple[Any, Any, Any]:
    """What a run prepares: its task, its assets and its data."""
    settings = config.to_dict()
    _, assets, task, data = load(
        jobs.find_job(settings["model"]), settings, workdir, Placement(), source=None, resuming=False
    )
    return task, assets, data


def test_lines_alone_have_symbols_room_and_their_own_labels(tones, texts, generator, tmp_path):
    task, assets, data = data_of(recipe(tones, texts, generator), tmp_path)
    assert not data.train.steps_per_epoch > 2
    seen = set()
    for _, batch in zip(range(6), data.train.batches(), strict=False):
        assert type(batch) is task.batch and batch.num_samples.tolist() == [0] * len(batch.index)
        for row in np.flatnonzero(batch.index >= 0):
            text = assets["tokenizer"].decode(batch.labels[row, : batch.num_labels[row]].tolist())
            symbols = batch.symbols[row, : batch.num_symbols[row]].tolist()
            assert [toy.SYMBOLS[i] for i in symbols] == [*text]
            assert batch.pace[row] in (0.5, 1.0) and 0 <= batch.speaker[row] < 3
            # What is spoken, at its pace by the slowest speaker, finds room.
            frames = sum(np.floor((10 + 4 * s + 2) / batch.pace[row] + 0.5) for s in symbols)
            assert frames <= batch.samples.shape[1] // 160 + 1
            seen.add((text, int(batch.speaker[row]), float(batch.pace[row])))
    assert {text for text, _, _ in seen} == set(LINES)
    assert {speaker for _, speaker, _ in seen} == {0, 1, 2} and len({pace for _, _, pace in seen}) == 2


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_lines_have_their_share_and_recordings_are_shown_as_ever(tones, texts, generator, tmp_path, share):
    _, _, data = data_of(recipe(tones, texts, generator, share=share), tmp_path)
    kinds: list[bool] = []
    recordings: list[int] = []
    for step, batch in enumerate(data.train.batches()):
        if data.train.locate(step)[0] == EPOCHS:
            break
        real = batch.index >= 0
        spoken = batch.num_symbols > 0
        assert (spoken == (batch.num_samples == 0))[real].all()
        kinds += spoken[real].tolist()
        recordings += batch.index[real & ~spoken].tolist()
    assert sorted(recordings) == sorted([*range(24)] * EPOCHS)
    assert np.mean(kinds) == share


@pytest.mark.slow
def test_a_run_saves_a_recogniser_that_was_trained_on_text(tones, texts, generator, tmp_path):
    """From another recogniser; batch norms keep their statistics."""
    config = recipe(tones, texts, generator)
    model = RECOGNITION["ctc"] | {"encoder": RECOGNITION["ctc"]["encoder"] | {"conv_norm": "batch"}}
    config.model.recognizer = ConfigDict(model)
    tokenizer = CharTokenizer(list("abc "))
    model = model | {"decoder": model["decoder"] | {"vocab_size": tokenizer.vocab_size}}
    before = jax.device_get(jax.jit(builder.build(model).init)(jax.random.key(5)))
    config.data.eval = {}
    config.init_from, config.tokenizer.type = str(tmp_path / "start.jaxspeech"), "model"
    save_archive(config.init_from, model=model, assets={"tokenizer": tokenizer}, variables=before)
    out = train_here(config, tmp_path / "run")
    assert "Starting from" in out and "not used" not in out
    after = load_archive(tmp_path / "run" / "last.jaxspeech")
    assert [*after.assets] == ["tokenizer"] and after.model["task"] == "ctc"
    jax.tree.map(np.testing.assert_array_equal, before["batch_stats"], after.variables["batch_stats"])
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), before["params"], after.variables["params"])
    assert all(jax.tree.leaves(changed))


def test_what_was_saved_whole_is_trained_further_and_used_as_a_recogniser(tmp_path):
    rng = np.random.default_rng(0)
    own = {"params": {"encoder": rng.normal(size=3)}, "batch_stats": {"encoder": rng.normal(size=2)}}
    variables = with_branch(with_branch({}, "recognizer", own), "generator", {"params": {"spectra": np.zeros(4)}})
    assets = {"tokenizer": CharTokenizer(list("abc ")), "front_end": toy.FRONT_END}
    for save, kept in (("whole", ["tokenizer", "front_end"]), ("recognizer", ["tokenizer"])):
        settings = {"text": {"train": "x", "generator": "y.jaxspeech", "save": save}}
        model, kept_assets, saved = HYBRID_TEXT_JOB.saved(settings, HYBRID_TEXT, assets, variables)
        assert [*kept_assets] == kept and model["task"] == ("hybrid_text" if save == "whole" else "ctc")
        archive = Archive(model, kept_assets, saved, {})
        adapted = HYBRID_TEXT_JOB.adapted(archive, assets, 0).variables
        jax.tree.map(np.testing.assert_array_equal, branch(adapted, "recognizer"), own)
        save_archive(tmp_path / "any.jaxspeech", model=model, assets=kept_assets, variables=saved)
        read = read_archive(tmp_path / "any.jaxspeech")
        assert read.model["task"] == "ctc" and [*read.assets] == ["tokenizer"]
        jax.tree.map(np.testing.assert_array_equal, read.variables, own)


def test_mistakes_are_one_line(tones, texts, generator, tmp_path):
    def fails(match: str, *, error: type = ConfigError, lines: Any = texts, **text: Any) -> None:
        with pytest.raises(error, match=match) as raised:
            data_of(recipe(tones, lines, text.pop("generator", generator), **text), tmp_path)
        assert "\n" not in str(raised.value)

    fails("text.share is 0; it is the share", share=0.0)
    fails("text.speakers: the generator has 3 speakers", speakers=(3,))
    fails("text.generator is .*nemo; it is a .jaxspeech archive", generator=Path("x.nemo"))
    fails('text.save is .wole.; did you mean "whole"', save="wole")
    fails("text.sharing is not a field", sharing=1)
    odd = tmp_path / "odd.jsonl"
    odd.write_text(json.dumps({"text": "a", "speaker": 7}) + "\n")
    fails("odd.jsonl:1: the generator has 3 speakers", lines=odd)
    odd.write_text(json.dumps({"text": "a", "tts_text": "123"}) + "\n")
    fails("1 of 1 examples are unusable.* has no symbol", error=ManifestError, lines=odd)


def test_the_recipe_takes_both_models_from_their_files(generator, tmp_path):
    assets = {"tokenizer": CharTokenizer(list("abc ")), "front_end": toy.FRONT_END}
    new = hybrid_text.get_config(f"new,{generator}")
    own = RECOGNITION["ctc"] | {"decoder": {"name": "ctc", "vocab_size": 4}}
    files = {"assets": {"tokenizer": assets["tokenizer"]}, "variables": {"params": {"any": np.zeros(1)}}}
    save_archive(tmp_path / "asr.jaxspeech", model=own, **files)
    trained = hybrid_text.get_config(f"{tmp_path / 'asr.jaxspeech'},{generator}")
    assert trained.init_from and trained.tokenizer.type == "model" and not new.init_from
    for config, still in ((new, False), (trained, True)):
        task = builder.build(HYBRID_TEXT_JOB.sized(config.model.to_dict(), assets))
        assert task.model.fixed_statistics is still and task.inference.vocab_size == 4
        assert task.model.recognizer.model.frontend.num_mels == 16
    assert new.model.recognizer.features.normalize == "per_feature"
    for wrong in ("", "asr.jaxspeech", ",generator.jaxspeech"):
        with pytest.raises(ValueError, match="name a recogniser and a text-to-mel model"):
            hybrid_text.get_config(wrong)
