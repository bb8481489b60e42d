"""A prediction as one file: deserialised, it gives the same tokens as ours, for sizes that were never traced."""

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.interop import stablehlo
from jaxspeech.interop.stablehlo import export_stablehlo
from jaxspeech.tasks.attention import Prompted
from jaxspeech.tasks.recognition import Utterances
from tests.contract.cases import ATTENTION
from tests.interop.random_model import random_variables
from tests.log_probs import log_probs_of

V = 9
MODELS: dict[str, dict[str, Any]] = {
    "ctc": {"task": "ctc", "decoder": {"name": "ctc", "vocab_size": V}},
    "tdt": {
        "task": "transducer",
        "decoder": {"name": "transducer", "vocab_size": V, "width": 8, "joint_width": 8, "durations": (0, 1, 2)},
    },
}


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory) -> Any:
    """A task, its variables, and the function from the file."""
    encoder = {"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling_channels": 4}
    task = build({"features": {"name": "mel", "num_mels": 16}, "encoder": encoder, **MODELS[request.param]})
    rng = np.random.default_rng(3)
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    variables = jax.tree.map(lambda x: np.float32(0.3 * rng.standard_normal(x.shape) + (x.ndim == 1)), shapes)
    variables["batch_stats"] = jax.tree.map(np.abs, variables["batch_stats"])
    path = tmp_path_factory.mktemp("stablehlo") / "model.stablehlo"
    export_stablehlo(task, variables, path)
    assert [file.name for file in path.parent.iterdir()] == ["model.stablehlo"]
    return task, variables, jax.export.deserialize(path.read_bytes())


def test_tokens(exported):
    task, variables, function = exported
    lengths = [8000] if task.inference.log_probs is None else [16000, 9000]
    samples = np.random.default_rng(0).standard_normal((len(lengths), max(lengths))).astype(np.float32)
    num_samples = np.array(lengths, np.int32)
    found = function.call(samples, num_samples)
    nothing = jnp.zeros((len(lengths), 0), jnp.int32)
    batch = Utterances(samples, num_samples, nothing, num_samples, num_samples)

    def predict(variables: Any, batch: Utterances) -> dict[str, Any]:
        wanted = task.predict(variables, batch)._asdict()
        if task.inference.log_probs is not None:
            wanted["log_probs"], wanted["num_frames"] = log_probs_of(task)(variables, batch)
        return wanted

    wanted = jax.jit(predict)(variables, batch)
    assert wanted["num_tokens"].min() > 0
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4, err_msg=name)


def test_it_runs_on_every_platform(exported):
    assert exported[2].platforms == ("cpu", "cuda", "tpu")


def test_weights_that_do_not_fit_are_reported(exported, tmp_path, monkeypatch):
    task, variables, _ = exported
    monkeypatch.setattr(stablehlo, "LARGEST_BYTES", 1000)
    with pytest.raises(ArchiveError, match="load the model with a smaller dtype"):
        export_stablehlo(task, variables, tmp_path / "model.stablehlo")
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_reported(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .jaxspeech\[stablehlo\]"):
        export_stablehlo(exported[0], exported[1], tmp_path / "model.stablehlo")


def test_a_place_that_cannot_be_written_is_reported(exported, tmp_path):
    task, variables, _ = exported
    with pytest.raises(ArchiveError, match="cannot be written"):
        export_stablehlo(task, variables, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_with_prompts_takes_them(tmp_path):
    search = {"beam_size": 1, "more_than_frames": 4}
    model = ATTENTION | {"decoder": ATTENTION["decoder"] | {"vocab_size": V, "end_id": 1}, "search": search}
    task, variables = build(model), random_variables(model)
    export_stablehlo(task, variables, tmp_path / "model.stablehlo")
    function = jax.export.deserialize((tmp_path / "model.stablehlo").read_bytes())
    samples = np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    inputs = samples, np.array([8000, 6000], np.int32), np.array([[4, 5, 6], [7, 0, 0]], np.int32), np.array([3, 1])
    batch = Prompted(*inputs, jnp.zeros((2, 0), jnp.int32), inputs[1], inputs[1])
    found, wanted = function.call(*inputs[:3], inputs[3].astype(np.int32)), jax.jit(task.predict)(variables, batch)
    for row, count in enumerate(wanted.num_tokens):
        assert count > 0 and found["ids"][row, :count].tolist() == wanted.ids[row, :count].tolist()
    np.testing.assert_allclose(found["score"], wanted.score, rtol=1e-4)
