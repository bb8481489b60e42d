import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.forms.inference import for_inference, for_training, unstacked, variable_shapes
from jaxspeech.tasks.recognition import Utterances
from tests.log_probs import log_probs_of

CONFIG = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 32, "dither": 0.0},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc", "vocab_size": 10},
}
SAMPLES = np.random.default_rng(0).normal(size=(2, 16000)).astype(np.float32)
BATCH = Utterances(SAMPLES, np.array([16000, 9000]), np.zeros((2, 0)), np.zeros(2), np.arange(2))


@pytest.fixture(scope="module")
def variables():
    return jax.jit(build(CONFIG).init)(jax.random.key(0))


def probabilities(config: dict, variables: dict) -> np.ndarray:
    return np.exp(jax.jit(log_probs_of(build(config)))(variables, BATCH)[0])


def test_bfloat16_on_a_cpu_is_that_of_the_products_alone(variables) -> None:
    config, half = for_inference(CONFIG, variables, dtype="bfloat16")
    assert half["params"]["encoder"]["layers_0"]["ff_in"]["up"]["kernel"].dtype == jnp.bfloat16
    assert half["params"]["encoder"]["layers_0"]["norm_out"]["scale"].dtype == jnp.float32
    hlo = jax.jit(build(config).inference.encode).lower(half, BATCH.samples, BATCH.num_samples).as_text()
    products = [line for line in hlo.splitlines() if "dot_general" in line]
    in_encoder = [line for line in products if "bf16" in line]
    assert in_encoder and all(line.endswith("xf32>") or "f32> loc" in line for line in in_encoder)
    assert len(products) - len(in_encoder) == 1  # the mel filters
    exact = probabilities(CONFIG, variables)
    error = np.abs(probabilities(config, half) - exact).max()
    assert 1e-6 < error < 0.01


def test_a_config_in_bfloat16_is_run_so(variables) -> None:
    asked, _ = for_inference(CONFIG, variables, dtype="bfloat16")
    parts = {part: CONFIG[part] | {"dtype": "bfloat16"} for part in ("encoder", "decoder")}
    stated, weights = for_inference(CONFIG | parts, variables)
    assert stated == asked
    # Saving it again must not lose the float32 precision of training.
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(weights))


def test_what_a_cpu_made_of_it_is_undone_elsewhere(variables) -> None:
    config, half = for_inference(CONFIG, variables, dtype="bfloat16")
    trained, _ = for_training(config, half)
    assert trained["encoder"]["dtype"] == trained["decoder"]["dtype"] == "bfloat16"
    assert for_inference(config, half)[0] == config
    elsewhere, _ = for_inference(config, half, platform="cuda")
    assert elsewhere["encoder"]["dtype"] == "bfloat16" and "product_dtype" not in elsewhere


def test_float32_again_and_training_have_no_rounding(variables) -> None:
    config, half = for_inference(CONFIG, variables, dtype="bfloat16")
    assert "product_dtype" not in for_inference(config, half, dtype="float32")[0]
    assert "product_dtype" not in for_training(config, half)[0]


def test_an_unknown_type_of_products() -> None:
    with pytest.raises(ConfigError, match="product_dtype"):
        build(CONFIG | {"product_dtype": "bfloat61"})


@pytest.mark.parametrize("change", [{}, {"num_layers": 3}, {"reduction": "pooling", "reduction_position": 0}])
def test_shapes_are_those_of_the_model_with_separate_layers(change: dict) -> None:
    config = unstacked(CONFIG | {"encoder": CONFIG["encoder"] | change})
    assert variable_shapes(config, build(config)) == jax.eval_shape(build(config).init, jax.random.key(0))
