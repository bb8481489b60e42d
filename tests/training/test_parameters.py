"""Parameters selected by name: stacked layers individually, frozen ones never change, learning rates by group."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.parameters import assign, choose_trainable
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from tests.training.toy import ToyTask, toy_batch


def params(fill=1.0):
    return {
        "encoder": {"layers": {"up": {"kernel": jnp.full((3, 2, 4), fill)}}, "out": {"bias": jnp.full(4, fill)}},
        "decoder": {"kernel": jnp.full((4, 5), fill)},
    }


def test_the_first_pattern_wins_and_layers_count_one_by_one():
    rates = assign(params(), [("layers_[01]/", 0.1), ("encoder/", 0.5)], default=1.0, option="rates")
    np.testing.assert_array_equal(rates["encoder"]["layers"]["up"]["kernel"].reshape(-1), [0.1, 0.1, 0.5])
    assert rates["encoder"]["out"]["bias"] == 0.5 and rates["decoder"]["kernel"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": ("encodr/",)}, "freeze: no parameter's name matches 'encodr/'"),
        ({"train_only": ("(",)}, "train_only: '\\(' is not a regular expression"),
        ({"freeze": ("",)}, "leave no parameter to train"),
        ({"train_only": ("layers_7/",)}, "train_only: no parameter's name matches 'layers_7/'"),
    ],
)
def test_a_wrong_choice_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        choose_trainable(**options)(params())


def test_wrong_rates_are_one_line():
    optimizer, _ = build_optimizer({"learning_rate": 1.0, "rates": (("encodr", 0.1),)}, steps=3)
    with pytest.raises(ConfigError, match=r"optimizer.rates: no parameter's name matches 'encodr' .*decoder/kernel"):
        optimizer.init(params())
    with pytest.raises(ConfigError, match="it holds pairs"):
        build_optimizer({"learning_rate": 1.0, "rates": ("encoder", 0.1)}, steps=3)


def numpy_adamw(p, grads, *, rate, decay):
    """Loshchilov and Hutter's algorithm 2, in float64."""
    p, m, v = np.float64(p), 0.0, 0.0
    for t, g in enumerate(grads, start=1):
        m, v = 0.9 * m + 0.1 * np.float64(g), 0.98 * v + 0.02 * np.float64(g) ** 2
        p = p - rate * (m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.98**t)) + 1e-8) + decay * p)
    return p


def test_each_group_is_adamw_at_its_own_rate_and_frozen_parameters_stay():
    trainable = choose_trainable(freeze=("out/", "layers_2/"))
    config = {"learning_rate": 0.1, "weight_decay": 0.1, "rates": (("layers_0/", 0.25), ("encoder/", 0.5))}
    optimizer, _ = build_optimizer(config, steps=4, trainable=trainable)
    now, rng = params(2.0), np.random.default_rng(0)
    state = optimizer.init(now)
    assert "out" not in str([path for path, _ in jax.tree_util.tree_leaves_with_path(state)])  # no moments
    grads = [jax.tree.map(lambda x: rng.standard_normal(x.shape).astype(np.float32), now) for _ in range(4)]
    for g in grads:
        updates, state = optimizer.update(g, state, now)
        now = optax.apply_updates(now, updates)

    kernel = now["encoder"]["layers"]["up"]["kernel"]
    for layer, rate in enumerate((0.025, 0.05)):
        layer_grads = [g["encoder"]["layers"]["up"]["kernel"][layer] for g in grads]
        np.testing.assert_allclose(kernel[layer], numpy_adamw(2.0, layer_grads, rate=rate, decay=0.1), rtol=1e-5)
    np.testing.assert_array_equal(kernel[2], 2.0)
    np.testing.assert_array_equal(now["encoder"]["out"]["bias"], 2.0)
    decoder_grads = [g["decoder"]["kernel"] for g in grads]
    np.testing.assert_allclose(
        now["decoder"]["kernel"], numpy_adamw(2.0, decoder_grads, rate=0.1, decay=0.1), rtol=1e-5
    )


def test_frozen_parameters_do_not_count_in_the_gradient_norm():
    task, trainable = ToyTask(), choose_trainable(train_only=("bias",))
    optimizer, schedule = build_optimizer({"learning_rate": 0.1, "clip_norm": 0.5}, steps=3, trainable=trainable)
    variables = task.init(jax.random.key(0))
    kernel, bias = (np.array(variables["params"]["dense"][name], np.float64) for name in ("kernel", "bias"))
    step = make_train_step(task, (Update(optimizer, trainable),), schedule=schedule)
    batch = toy_batch(1)
    state, metrics = step(init_state(variables, (optimizer,)), batch, 0)
    gradient = 2 * np.mean(batch.samples @ kernel + bias - batch.labels[:, 0])
    np.testing.assert_allclose(metrics["grad_norm"], abs(gradient), rtol=1e-5)
    np.testing.assert_array_equal(state.variables["params"]["dense"]["kernel"], kernel.astype(np.float32))
    assert state.variables["params"]["dense"]["bias"] != bias
