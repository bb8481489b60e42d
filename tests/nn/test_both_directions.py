"""Compares layers in both directions with each row run alone, and one loop for both with a loop for each."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.both_directions import both_directions, in_turn, together
from jaxspeech.nn.gru import GRU
from jaxspeech.nn.lstm import LSTM


class Pair(nn.Module):
    layer: type
    fields: dict

    @nn.compact
    def __call__(self, x, num_frames):
        return both_directions(
            x, num_frames, self.layer(**self.fields, name="forward"), self.layer(**self.fields, name="backward")
        )


@pytest.fixture(params=[(LSTM, {}), (LSTM, {"cell_width": 7}), (GRU, {})], ids=["lstm", "projected", "gru"])
def pair(request):
    layer, fields = request.param
    module = Pair(layer, {"width": 5, **fields})
    x, num_frames = jax.random.normal(jax.random.key(0), (3, 11, 4)), jnp.array([11, 5, 1])
    return module, module.init(jax.random.key(1), x, num_frames), x, num_frames


def test_each_row_runs_forwards_and_backwards_over_its_real_frames(pair) -> None:
    module, variables, x, num_frames = pair
    outputs = module.apply(variables, x, num_frames)
    alone = module.layer(**module.fields)
    for row, n in enumerate(num_frames.tolist()):
        real = x[row : row + 1, :n]
        ahead, back = (
            alone.apply({"params": variables["params"][name]}, frames, method="from_zeros")
            for name, frames in (("forward", real), ("backward", real[:, ::-1]))
        )
        np.testing.assert_allclose(outputs[row, :n], jnp.concatenate([ahead, back[:, ::-1]], -1)[0], atol=1e-6)


def test_one_loop_for_both_directions_computes_the_same_and_the_same_gradients(pair) -> None:
    module, variables, x, _ = pair
    layer, inputs = module.layer(**module.fields), [x, x[:, ::-1]]
    parameters = [variables["params"][name] for name in ("forward", "backward")]

    def weighted(run, parameters, inputs):
        return sum((i + 1) * jnp.sum(y**2) for i, y in enumerate(run(layer.pure, parameters, inputs)))

    found, expected = (
        jax.value_and_grad(lambda *given, run=run: weighted(run, *given), argnums=(0, 1))(parameters, inputs)
        for run in (together, in_turn)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


@pytest.mark.parametrize(("platform", "loops"), [("cpu", 2), ("cuda", 1), ("tpu", 1)])
def test_accelerators_have_one_loop(pair, platform: str, loops: int) -> None:
    module, variables, x, num_frames = pair
    lowered = jax.jit(module.apply).trace(variables, x, num_frames).lower(lowering_platforms=(platform,))
    assert lowered.as_text().count("stablehlo.while") == loops
