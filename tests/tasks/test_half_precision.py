"""Checks the table "What stays float32" of docs/training.md on the program of a training step in bfloat16."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.builder import build
from jaxspeech.tasks.recognition import Utterances

ROWS, HEADS, WIDTH, VOCAB, LABELS = 3, 2, 32, 19, 7
MELS, BINS = 80, 257
CONFIG = {
    "task": "ctc",
    "features": {"name": "mel"},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 1, "width": WIDTH, "num_heads": HEADS},
        **{"subsampling_channels": 8, "remat": "none", "dtype": "bfloat16"},
    },
    "decoder": {"name": "ctc", "vocab_size": VOCAB},
}


def shape(*dims: int, dtype: Any = jnp.int32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(dims, dtype)


@pytest.fixture(scope="module")
def step() -> tuple[Any, str]:
    """(shapes of loss and gradients, text) of a training step without the optimizer; nothing is compiled."""
    task = build(CONFIG)
    variables = jax.eval_shape(task.init, jax.random.key(0))
    samples = shape(ROWS, 16000, dtype=jnp.float32)
    batch = Utterances(samples, shape(ROWS), shape(ROWS, LABELS), shape(ROWS), shape(ROWS))

    def loss(params: Any, statistics: Any, batch: Any) -> Any:
        return task.loss({"params": params, "batch_stats": statistics}, batch, jax.random.key(1))[0].sum()

    lowered = jax.jit(jax.value_and_grad(loss)).lower(variables["params"], variables["batch_stats"], batch)
    return lowered.out_info, lowered.as_text()


def test_loss_and_gradients_are_float32(step: tuple[Any, str]) -> None:
    assert {x.dtype for x in jax.tree.leaves(step[0])} == {jnp.dtype(jnp.float32)}


def test_products_are_bfloat16_but_for_those_of_the_table(step: tuple[Any, str]) -> None:
    found = re.findall(r"stablehlo\.dot_general .* : \(tensor<([\dx]+)x(\w+)>, tensor<([\dx]+)x(\w+)>\)", step[1])
    assert sum(left == right == "bf16" for _, left, _, right in found) > 40
    single = {right for _, left, right, dtype in found if "f32" in (left, dtype)}
    # mel filters; the head, its two gradients; occupancies of repeated symbols in the loss
    frames = 13
    assert single == {
        f"{BINS}x{MELS}",
        f"{WIDTH}x{VOCAB + 1}",
        f"{ROWS}x{frames}x{WIDTH}",
        f"{ROWS}x{LABELS + 1}x{LABELS + 1}",
    }


def test_softmax_and_statistics_are_float32(step: tuple[Any, str]) -> None:
    kinds = re.findall(
        r"applies stablehlo\.(add|maximum) .* : \(tensor<([\dx]+)x(\w+)>, .*-> tensor<([\dx]+)x\w+>", step[1]
    )
    assert {dtype for kind, _, dtype, _ in kinds if kind == "maximum"} <= {"f32", "i32"}
    scores = {(kind, dtype) for kind, dims, dtype, _ in kinds if re.fullmatch(rf"{ROWS}x{HEADS}x16x16", dims)}
    assert {("maximum", "f32"), ("add", "f32")} <= scores
    # Sums over the width of a frame are those of layer norms.
    norms = [
        dtype
        for kind, dims, dtype, out in kinds
        if kind == "add" and (dims, out) == (f"{ROWS}x13x{WIDTH}", f"{ROWS}x13")
    ]
    assert set(norms) == {"f32"}


def test_masked_scores_take_the_alignment(step: tuple[Any, str]) -> None:
    """13 frames are padded to 16 for the products over pairs of frames."""
    assert f"{ROWS}x{HEADS}x16x16xbf16" in step[1]
    assert f"{ROWS}x{HEADS}x13x13x" not in step[1]
