"""Tests the average of models and of a run's checkpoints, in float64, and the errors for models that differ."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxspeech.archive import load_archive, save_archive
from jaxspeech.assets import write_assets
from jaxspeech.errors import ArchiveError, CheckpointError
from jaxspeech.surgery.average import write_mean
from jaxspeech.text.char import CharTokenizer
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.lora import Lora
from tests.interop.random_model import random_archive
from tests.tiny_recipe import get_config

TOKENIZER = CharTokenizer("abc ")


def tiny(seed=0, tokenizer=TOKENIZER, **encoder):
    config = get_config().model.to_dict()
    return random_archive(config | {"encoder": config["encoder"] | encoder}, tokenizer, seed=seed)


def save(archive, path):
    save_archive(path, **archive._asdict())
    return str(path)


def without_first_array(archive):
    path, *_ = traverse_util.flatten_dict(archive.variables)
    arrays = traverse_util.flatten_dict(archive.variables)
    del arrays[path]
    return archive._replace(variables=traverse_util.unflatten_dict(arrays))


def test_archives(tmp_path):
    archives = [tiny(seed, dropout=seed / 10) for seed in range(3)]
    paths = [save(archive, tmp_path / f"{i}.jaxspeech") for i, archive in enumerate(archives)]
    write_mean(paths, tmp_path / "mean.jaxspeech")
    mean = load_archive(tmp_path / "mean.jaxspeech")
    exact = jax.tree.map(lambda *xs: np.mean(np.float64(xs), 0), *(archive.variables for archive in archives))
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y.astype(np.float32)), mean.variables, exact)
    assert mean.metadata == {"average_of": paths} and mean.assets["tokenizer"].pieces == TOKENIZER.pieces


def test_checkpoints_of_a_run_with_lora_and_a_moving_average(tmp_path):
    archive, lora = tiny(), {"rank": 2, "alpha": 4.0, "targets": ["query/kernel$"]}
    (tmp_path / "config.json").write_text(json.dumps({"model": archive.model, "lora": lora}))
    write_assets(tmp_path, {"tokenizer": TOKENIZER})
    start = Lora(**lora).init(archive.variables, jax.random.key(0))
    checkpoints, expected = Checkpoints(tmp_path / "checkpoints"), []
    for step in (1, 2):
        average = jax.tree.map(lambda x, step=step: jnp.full(x.shape, float(step)), start["params"])
        expected.append(Lora(**lora).merge({**start, "params": average}))
        state = {"step": jnp.int32(step), "variables": start, "average": average, "opt_state": {"mu": jnp.ones(3)}}
        checkpoints.save(step, state, record={"step": step})
    checkpoints.close()
    write_mean([str(tmp_path)], tmp_path / "mean.jaxspeech")
    mean = load_archive(tmp_path / "mean.jaxspeech")
    jax.tree.map(lambda x, *ys: np.testing.assert_allclose(x, np.mean(ys, 0), rtol=1e-6), mean.variables, *expected)

    for file in (tmp_path / "checkpoints" / "1").rglob("ocdbt.process_0/d/*"):
        content = bytearray(file.read_bytes())
        content[::50] = bytes(255 - byte for byte in content[::50])  # everywhere, as some parts are never read
        file.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot read step 1"):
        write_mean([str(tmp_path)], tmp_path / "mean.jaxspeech")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: tiny(tokenizer=CharTokenizer("abcd")), "the tokenizer of"),
        (lambda: tiny(conv_kernel=5), "encoder.conv_kernel is 9 in"),
        (lambda: tiny(attention_context=(8, 8)), "encoder.attention_context is (-1, -1) in"),
        (lambda: without_first_array(tiny()), "norm/mean is (1, 16) in"),
    ],
)
def test_models_that_cannot_be_averaged_raise_one_line(tmp_path, other, message):
    paths = [save(archive, tmp_path / f"{i}.jaxspeech") for i, archive in enumerate((tiny(), other()))]
    with pytest.raises(ArchiveError) as error:
        write_mean(paths, tmp_path / "mean.jaxspeech")
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "mean.jaxspeech").exists()
