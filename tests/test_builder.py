import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxspeech.builder import TASKS, build, with_defaults
from jaxspeech.errors import ConfigError
from jaxspeech.forms.inference import for_inference, for_training
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.tasks.parts import Kind

CONFIG = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 32},
    "spec_augment": {"freq_masks": 2},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc", "vocab_size": 10},
}


def test_fields_are_the_config() -> None:
    config = copy.deepcopy(CONFIG)
    config["encoder"] |= {"dtype": "bfloat16", "attention_context": [4, 2]}
    task = build(config)
    assert task.model.encoder.attention_context == (4, 2)
    assert task.model.encoder.dtype == jnp.bfloat16
    assert (task.inference.sample_rate, task.inference.vocab_size) == (16000, 10)
    assert task.inference.frame_seconds == pytest.approx(0.08)
    assert build(copy.deepcopy(config)).model == task.model
    assert build(ConfigDict(config)).model == task.model
    assert config["encoder"]["name"] == "fastconformer"  # not modified


def test_defaults_do_not_change_the_model() -> None:
    full = with_defaults(CONFIG)
    assert full["encoder"]["adapter_width"] == 0 and full["encoder"]["width"] == 16
    assert build(full).model == build(CONFIG).model
    assert with_defaults(full) == full
    assert "adapter_width" not in CONFIG["encoder"]  # not modified


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taks": "ctc"}, 'model.taks is not a field; did you mean "task"'),
        ({"task": "ctx"}, "model.task cannot be 'ctx'; did you mean \"ctc\""),
        ({"encoder": {"name": "fastconfromer"}}, 'did you mean "fastconformer"'),
        (
            {"encoder": CONFIG["encoder"] | {"num_layer": 3}},
            'model.encoder.num_layer is not a field; did you mean "num_layers"',
        ),
        ({"encoder": {"name": "fastconformer", "width": 3}}, "model.encoder: .*num_layers"),
        ({"encoder": CONFIG["encoder"] | {"dtype": "float8"}}, "model.encoder.dtype cannot be 'float8'"),
        (
            {"features": {"name": "mel", "num_mel": 80}},
            'model.features.num_mel is not a field; did you mean "num_mels"',
        ),
        ({"spec_augment": {"freq_mask": 2}}, 'did you mean "freq_masks"'),
        ({"decoder": None}, "model.decoder is missing"),
    ],
)
def test_errors_contain_the_path_of_the_entry(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(CONFIG | change)


def test_a_model_can_be_made_of_whole_models(monkeypatch) -> None:
    """Their configurations and variables are branches of its own."""
    monkeypatch.setitem(TASKS, "toy_pair", Kind(lambda one: one, lambda one: one, {}, models={"first": "one"}))
    pair = {"task": "toy_pair", "first": CONFIG}
    assert build(pair).model == build(CONFIG).model
    assert with_defaults(pair)["first"] == with_defaults(CONFIG)
    with pytest.raises(ConfigError, match=r"model\.first\.encoder\.num_layer is not a field"):
        build({"task": "toy_pair", "first": CONFIG | {"encoder": CONFIG["encoder"] | {"num_layer": 3}}})
    with pytest.raises(ConfigError, match=r"model\.first is missing"):
        build({"task": "toy_pair"})
    variables = {"params": {"encoder": {"layers": {"kernel": np.zeros((2, 3))}}}}
    config, single = for_inference(pair, with_branch({}, "first", variables), dtype="bfloat16")
    assert config["first"] == for_inference(CONFIG, variables, dtype="bfloat16")[0]
    assert [*branch(single, "first")["params"]["encoder"]] == ["layers_0", "layers_1"]
    assert single["params"]["first"]["encoder"]["layers_1"]["kernel"].dtype == jnp.bfloat16
    stacked = for_training(config, single)
    assert stacked[0]["first"]["encoder"]["scan_layers"]
    assert stacked[1]["params"]["first"]["encoder"]["layers"]["kernel"].shape == (2, 3)


def test_scanned_parameters_have_a_leading_axis_of_layers() -> None:
    shapes = jax.eval_shape(build(CONFIG).init, jax.random.key(0))
    assert {leaf.shape[0] for leaf in jax.tree.leaves(shapes["params"]["encoder"]["layers"])} == {2}
