"""The decoder against one in NumPy; its cache against whole texts; rows by themselves against padded batches."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.encoders.layer_stack import unstack_layers
from jaxspeech.errors import ConfigError
from jaxspeech.nn.low_rank import LoraOptions
from jaxspeech.nn.rotary import Rope
from tests.decoders import causal_oracle

SIZES = {"vocab_size": 23, "width": 16, "num_layers": 2, "num_heads": 4, "hidden_width": 20}
# As Qwen3; and what Qwen2 and Llama 3 have, with LoRA.
FAMILIES = {
    "qwen3": {"num_groups": 2, "head_width": 6, "query_key_norm": True, "rope": Rope(theta=1e6)},
    "llama3": {
        **{"tied": False, "head_width": 8, "num_groups": 1, "biases": True},
        "rope": Rope(500.0, "llama3", 8.0, original_context=32),
        "lora": LoraOptions(3, 6.0, 0.5, ("query", "value", "down")),
    },
}
NUM = np.array([7, 1, 5])


def made(family):
    """A decoder with stacked layers, and parameters of which none is at its initial value."""
    decoder = CausalTransformer(**SIZES, **FAMILIES[family])
    whole = partial(decoder.init, method=lambda module, ids: module.logits(module(module.embed(ids), ids[0])))
    shapes = jax.eval_shape(whole, jax.random.key(0), jnp.zeros((1, 1), jnp.int32))
    rng = np.random.default_rng(0)

    def draw(path, x):
        return np.float32(rng.normal(size=x.shape) * 0.3 + (path[-1].key == "scale"))

    return decoder, jax.tree_util.tree_map_with_path(draw, shapes["params"])


@pytest.mark.parametrize("family", FAMILIES)
def test_gives_what_numpy_gives_whole_and_through_a_cache(family):
    decoder, params = made(family)
    apart = decoder.clone(scan_layers=False)
    table, longer = params["embedding"]["table"], np.array([3, 4, 5])
    ids = np.random.default_rng(1).integers(0, SIZES["vocab_size"], (3, 7))
    x = np.where(np.arange(7)[:, None] < NUM[:, None, None], table[ids], np.nan)  # padding holds anything

    @jax.jit
    def run(params, x):
        variables, own = {"params": params}, {"params": unstack_layers(params)}
        whole = [decoder.apply(variables, x, NUM), apart.apply(own, x, NUM)]
        cache, cached, one = apart.initial_cache(3, 8), [], jnp.full((3, 1, SIZES["width"]), jnp.nan)
        for start, end in ((0, 3), (3, 7)):  # chunks, after which there is padding
            part, num = jnp.concatenate([x[:, start:end], one], axis=1), np.clip(NUM - start, 0, end - start)
            states, cache = apart.apply(own, part, num, cache, method="extend")
            cached.append(states[:, :-1])
        whole.append(jnp.concatenate(cached, axis=1))
        steps = [apart.apply(own, longer, cache, method="step"), decoder.apply(variables, longer, cache, method="step")]
        return whole, [logits for logits, _ in steps], steps[0][1].count

    whole, steps, count = run(params, x)
    for states in whole:
        assert np.isfinite(states).all()
        for row, n in enumerate(NUM):
            np.testing.assert_allclose(states[row, :n], causal_oracle.states(decoder, params, x[row, :n]), atol=2e-5)
    for row, n in enumerate(NUM):
        text = np.concatenate([x[row, :n], table[longer[row]][None]])
        truth = causal_oracle.logits(decoder, params, causal_oracle.states(decoder, params, text)[-1])
        for logits in steps:
            np.testing.assert_allclose(logits[row], truth, atol=5e-5)
    np.testing.assert_array_equal(count, NUM + 1)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"num_heads": 3}, "give a head_width"),
        ({"num_groups": 3}, "num_groups, 3"),
        ({"head_width": 3}, "even number"),
        ({"lora": LoraOptions(2, targets=("q_proj",))}, "no 'q_proj'"),
        ({"rope": Rope(scaling="yarn")}, "decoder.rope.scaling 'yarn'"),
    ],
)
def test_names_what_cannot_be(fields, reason):
    decoder = CausalTransformer(**{**SIZES, **fields})
    with pytest.raises(ConfigError, match=reason):
        jax.eval_shape(decoder.init, jax.random.key(0), jnp.zeros((1, 1, 16)), jnp.array([1]))
