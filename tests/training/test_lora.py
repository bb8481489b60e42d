"""LoRA: unchanged at the start, W + scale A B afterwards, for single layers and for whole modules."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.tasks.kinds import IncrementalSearch, Recognition
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.tasks.task import Task
from jaxspeech.training.lora import Lora, with_lora
from jaxspeech.types import Phase

TARGETS = ("query/kernel$", "layers_[02]/value/kernel$")


def variables():
    rng = np.random.default_rng(0)
    stack = {name: {"kernel": jnp.asarray(rng.standard_normal((3, 4, 6)), jnp.float32)} for name in ("query", "value")}
    dense = {"kernel": jnp.asarray(rng.standard_normal((6, 5)), jnp.float32), "bias": jnp.zeros(5)}
    conv = {"kernel": jnp.zeros((3, 3, 1, 2))}
    return {
        "params": {"encoder": {"layers": stack}, "conv": conv, "query": dense},
        "batch_stats": {"mean": jnp.ones(3)},
    }


def test_it_starts_as_the_model_and_merges_to_the_equation():
    lora, before = Lora(rank=2, alpha=6, targets=TARGETS), variables()
    with_pairs = lora.init(before, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, lora.merge(with_pairs), before)

    pairs = with_pairs["params"]["lora"]
    assert pairs["query"]["kernel"]["a"].shape == (6, 2) and pairs["query"]["kernel"]["b"].shape == (2, 5)
    assert pairs["encoder"]["layers"]["query"]["kernel"]["a"].shape == (3, 4, 2)
    rng = np.random.default_rng(1)
    with_pairs["params"]["lora"] = jax.tree.map(lambda x: rng.standard_normal(x.shape).astype(np.float32), pairs)
    pairs, merged = with_pairs["params"]["lora"], lora.merge(with_pairs)
    for where in (("query",), ("encoder", "layers", "query"), ("encoder", "layers", "value")):
        old, new, pair = before["params"], merged["params"], pairs
        for name in (*where, "kernel"):
            old, new, pair = old[name], new[name], pair[name]
        change = 3.0 * np.float64(pair["a"]) @ np.float64(pair["b"])
        if where[-1] == "value":
            change[1] = 0  # the layer that no pattern matches
        np.testing.assert_allclose(new, np.float64(old) + change, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(merged["params"]["conv"]["kernel"], 0)
    assert jax.tree.structure(merged) == jax.tree.structure(before)


def test_every_function_of_a_task_uses_it():
    def double(variables, *inputs):
        return 2 * variables["params"]["up"]["kernel"]

    def init(key):
        return {"params": {"up": {"kernel": jnp.ones((2, 2))}}}

    search = IncrementalSearch(start=double, step=double)
    recognition = Recognition(16000, 0.08, 3, encode=double, decode=double, log_probs=None, incremental=search)
    doubler = Task(nn.Dense(1), Utterances, init, (Phase(double),), double, lambda batch: 0.0, recognition)
    task = with_lora(doubler, Lora(rank=1, alpha=1, targets=("up",)))
    variables = task.init(jax.random.key(0))
    variables["params"]["lora"]["up"]["kernel"] = {"a": jnp.ones((2, 1)), "b": jnp.full((1, 2), 4.0)}
    used = task.inference
    for function in (task.phases[0].loss, task.predict, used.encode, used.decode, used.incremental.start):
        np.testing.assert_array_equal(function(variables), 10.0)
    assert used._replace(encode=None, decode=None, incremental=None) == recognition._replace(
        encode=None, decode=None, incremental=None
    )


def test_the_variance_of_a_follows_from_its_input():
    wide = {"params": {"up": {"kernel": jnp.zeros((400, 300))}}}
    a = Lora(rank=50, alpha=1, targets=("up",)).init(wide, jax.random.key(0))["params"]["lora"]["up"]["kernel"]["a"]
    np.testing.assert_allclose(a.std(), 1 / 20, rtol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "it needs a rank"),
        ({"targets": ()}, "and a target"),
        ({"targets": ("keys/",)}, "lora.targets: no parameter's name matches 'keys/'"),
        ({"targets": ("conv/kernel",)}, r"conv/kernel \(3, 3, 1, 2\) is not a matrix"),
        ({"targets": ("bias",)}, r"query/bias \(5,\) is not a matrix"),
    ],
)
def test_a_wrong_option_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        Lora(**({"rank": 2, "alpha": 1.0, "targets": TARGETS} | options)).init(variables(), jax.random.key(0))
