"""Trains a small language model on one device and on eight virtual ones: the same losses and variables.

python -m tests.tasks.causal_on_devices '{"sharding": "fsdp"}' ...
"""

import json
import sys

import jax
import numpy as np

from jaxspeech.builder import build
from jaxspeech.tasks.causal_lm import Dialogues
from jaxspeech.training.sharding import make_mesh, make_rules, put_batch, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update

DECODER = {"name": "causal_transformer", "vocab_size": 32, "width": 16, "num_layers": 2, "num_heads": 4}
DECODER |= {"num_groups": 2, "head_width": 8, "hidden_width": 24, "query_key_norm": True}
RATE = 1e-2


def make_batch():
    rng = np.random.default_rng(0)
    ids, num = rng.integers(0, 32, (8, 9)).astype(np.int32), rng.integers(3, 10, 8).astype(np.int32)
    answers = rng.random((8, 9)) < 0.5
    return Dialogues(ids, num, num, answers, np.arange(8, dtype=np.int32))


def train(*, devices=None, mesh=(), sharding="replicated", **decoder):
    """Takes two steps; returns their losses and the variables."""
    task, optimizer = build({"task": "causal_lm", "decoder": DECODER | decoder}), adamw(RATE, clip_norm=1.0)
    mesh = make_mesh(**dict(mesh), devices=jax.devices()[:devices])
    shapes = jax.eval_shape(lambda key: init_state(task.init(key), (optimizer,)), jax.random.key(0))
    shardings = state_shardings(shapes, mesh, make_rules(sharding))
    state = jax.device_put(init_state(task.init(jax.random.key(0)), (optimizer,)), shardings)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda step: RATE, shardings=shardings)
    losses = []
    for _ in range(2):
        state, metrics = step(state, put_batch(make_batch(), mesh), 0)
        losses.append(float(metrics["loss"]))
    split = sum(not x.sharding.is_fully_replicated for x in jax.tree.leaves(state.variables))
    return losses, jax.device_get(state.variables), split


if __name__ == "__main__":
    alone, one, _ = train(devices=1)
    for setting in map(json.loads, sys.argv[1:]):
        losses, variables, split = train(**setting)
        np.testing.assert_allclose(losses, alone, rtol=1e-5, err_msg=f"{setting}")
        assert (split > 0) == (setting.get("sharding", "replicated") != "replicated"), setting
        for a, b in zip(jax.tree.leaves(variables), jax.tree.leaves(one), strict=True):
            # Adam's steps do not shrink with gradients.
            assert np.linalg.norm(a - b) <= 1e-3 * np.linalg.norm(b), setting
    print("equal")
