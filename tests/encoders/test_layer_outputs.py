"""Outputs of middle layers: those of an encoder that ends there, in the memory of the layers that are asked for."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.ecapa import ECAPA
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.jasper import Jasper
from jaxspeech.encoders.jasper_block import Block
from jaxspeech.encoders.lstm import LSTMEncoder
from jaxspeech.encoders.transformer import Transformer
from jaxspeech.errors import ConfigError
from tests.encoders.properties import filled

STACKED: Any = {"num_layers": 3, "width": 8, "num_heads": 2, "subsampling": "stacking", "subsampling_factor": 4}
CONFORMER = FastConformer(**STACKED, conv_kernel=3, ff_expansion=2, conv_norm="layer", output_width=6)
BLOCKS = tuple(Block(filters=8, kernel=3, stride=stride, separable=True) for stride in (2, 1, 2))
# An encoder, and the one that ends after its layer 1.
ENCODERS = {
    "scanned": (CONFORMER, CONFORMER.clone(num_layers=2)),
    "transformer": (Transformer(**STACKED, output_width=6), Transformer(**STACKED | {"num_layers": 2}, output_width=6)),
    "lstm": (LSTMEncoder(3, 8, 6, subsampling_factor=2), LSTMEncoder(2, 8, 6, subsampling_factor=2)),
    "jasper": (Jasper(BLOCKS), Jasper(BLOCKS[:2])),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_output_is_what_a_shorter_encoder_returns(name: str) -> None:
    whole, short = ENCODERS[name]
    _, variables, features, num_frames = filled(whole)
    encoded, lengths, outputs = jax.jit(partial(whole.apply, layers=(2, 1, "input")))(variables, features, num_frames)
    if name == "scanned":
        variables = {
            "params": {**variables["params"], "layers": jax.tree.map(lambda x: x[:2], variables["params"]["layers"])}
        }
    ended, counts = jax.jit(short.apply)(variables, features, num_frames)
    np.testing.assert_array_equal(outputs[1].num_frames, counts)
    np.testing.assert_allclose(outputs[1].frames, ended, atol=1e-5)
    np.testing.assert_array_equal(outputs[0].num_frames, lengths)
    np.testing.assert_allclose(outputs[0].frames, encoded, atol=1e-6)
    assert outputs[2].frames.shape[:2] == (3, features.shape[1] if name == "jasper" else -(-100 // whole.total_factor))


def test_the_blocks_of_an_ecapa_are_its_layers() -> None:
    module, variables, features, num_frames = filled(ECAPA((8, 8, 8), (3, 3, 3), (1, 1, 1), groups=2))
    outputs = jax.jit(lambda *x: module.apply(*x, layers=range(3))[2])(variables, features, num_frames)
    assert [output.frames.shape for output in outputs] == [(3, 100, 8)] * module.depth


@pytest.mark.parametrize("layer", [3, -1, True])
def test_a_layer_that_is_not_there(layer) -> None:
    features = jax.ShapeDtypeStruct((1, 40, 8), jnp.float32)
    with pytest.raises(ConfigError, match="layers are 0 to 2, and 'input' before the first one"):
        jax.eval_shape(lambda x: CONFORMER.init(jax.random.key(0), x, jnp.array([40]), layers=(layer,)), features)


@pytest.mark.parametrize("train", [False, True])
def test_only_the_layers_asked_for_take_memory(train: bool) -> None:
    """The temporary memory of the compiled program, of the backward pass too, grows by one output for each of them."""
    quiet: Any = dict.fromkeys(("dropout", "dropout_att", "dropout_pre_encoder"), 0.0)
    module = FastConformer(
        **STACKED | {"num_layers": 8, "width": 32}, **quiet, conv_kernel=3, conv_norm="layer", remat="full"
    )
    features, num_frames = jax.ShapeDtypeStruct((2, 256, 16), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.int32)
    params = jax.eval_shape(module.init, jax.random.key(0), features, num_frames)["params"]

    def needed(layers: Any) -> int:
        def total(params, *inputs):
            encoded, _, *outputs = module.apply({"params": params}, *inputs, train=train, layers=layers)
            return jnp.square(encoded).sum() + sum(jnp.square(y.frames).sum() for y in (outputs or [()])[0])

        run = jax.grad(total) if train else total
        memory: Any = jax.jit(run).lower(params, features, num_frames).compile().memory_analysis()
        return memory.temp_size_in_bytes

    one = 4 * 2 * 64 * 32
    assert needed((2, 5)) - needed(None) <= 3.1 * one
