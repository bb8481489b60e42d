"""What was written before there were assets and scores: an archive of format 1, and a run in the middle.

Both are from the tones of tests/tones.py and a model of tests/tiny_recipe.py with 4 channels of subsampling.
run_at_8.npz has the variables with which the code of that time ended the same run.
"""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxspeech
from jaxspeech.archive import load_archive
from jaxspeech.assets import read_assets
from tests.tiny_recipe import get_config
from tests.tone_runs import train_here

STORED = Path(__file__).parent / "stored"


def test_an_archive_of_format_1_gives_the_same_transcripts(tones, tmp_path):
    asr = jaxspeech.load(STORED / "format1.jaxspeech")
    found = asr.transcribe([tones / f"dev{i}.wav" for i in range(6)])
    before = json.loads((STORED / "format1.json").read_text())
    assert [hypothesis.text for hypothesis in found] == before["texts"] and any(before["texts"])
    np.testing.assert_allclose([hypothesis.score for hypothesis in found], before["scores"], rtol=1e-4)

    asr.save(tmp_path / "today.jaxspeech")
    today, stored = load_archive(tmp_path / "today.jaxspeech"), load_archive(STORED / "format1.jaxspeech")
    assert today.assets["tokenizer"].config() == stored.assets["tokenizer"].config()
    assert today.metadata == stored.metadata


def test_what_it_states_is_checked_when_a_run_starts_from_it(tones, tmp_path):
    config = get_config(str(tones))
    config.model.encoder.subsampling_channels = 4
    config.init_from, config.tokenizer.type, config.steps = str(STORED / "format1.jaxspeech"), "model", 0
    config.optimizer.schedule = {"name": "constant"}
    out = train_here(config, tmp_path)
    assert "on dev, as the model states" in out


def test_a_run_of_before_resumes_and_ends_as_it_did(tones, tmp_path, monkeypatch):
    shutil.copytree(STORED / "run", tmp_path / "run")
    (tmp_path / "tones").symlink_to(tones)
    monkeypatch.chdir(tmp_path)  # the recipe names its manifests so
    config = get_config("tones")
    config.model.encoder.subsampling_channels = 4
    config.optimizer.schedule = {"name": "constant"}
    config.steps, config.eval_every, config.checkpoint_every = 8, 4, 4
    config.keep.last, config.keep.best = 1, 0
    assert read_assets(tmp_path / "run")["tokenizer"].vocab_size == 4
    out = train_here(config, Path("run"))
    assert "changed settings" not in out and "resuming after step 4" in out.splitlines()[0] and "Done: WER " in out
    last = load_archive(tmp_path / "run" / "last.jaxspeech")
    found = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in _leaves(last.variables)}
    with np.load(STORED / "run_at_8.npz") as before:
        assert found.keys() == set(before)
        for name in before:  # to the rounding of another processor
            # A batch norm takes its input's bias out again, so that the bias's gradient is nothing but rounding.
            atol = 1e-3 if name.endswith(("depthwise/bias", "norm/mean")) else 1e-5
            np.testing.assert_allclose(found[name], before[name], rtol=1e-3, atol=atol, err_msg=name)
    assert last.metadata["scores"]["dev"]["wer"] == pytest.approx(0.5)


def _leaves(tree):
    return jax.tree_util.tree_leaves_with_path(tree)
