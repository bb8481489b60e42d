"""Eight virtual CPU devices train as one does, with the state replicated or split by a rule."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from jax.sharding import PartitionSpec as P

from jaxspeech.errors import ConfigError
from jaxspeech.training.sharding import make_mesh, state_shardings

SCRIPT = """
import jax, numpy as np
from jax.sharding import PartitionSpec as P
from jaxspeech.training.optimizer import adamw
from jaxspeech.training.sharding import REPLICATED, make_mesh, put_batch, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from tests.training.toy import ToyTask, toy_batch

task, optimizer = ToyTask(noise=0.1), adamw(0.1, clip_norm=1.0)

def train(mesh, rules):
    make_state = lambda key: init_state(task.init(key), optimizer)
    key = jax.random.key(0)
    shardings = state_shardings(jax.eval_shape(make_state, key), mesh, rules)
    state = jax.jit(make_state, out_shardings=shardings)(key)
    step = make_train_step(task, optimizer, schedule=lambda step: 0.1)
    losses = []
    for i in range(5):
        batch = put_batch(toy_batch(i), mesh)
        assert len(batch.samples.sharding.device_set) == mesh.size
        state, metrics = step(state, batch, 0)
        losses.append(metrics["loss"])
    moment = [x for p, x in jax.tree_util.tree_leaves_with_path(state.opt_state) if "kernel" in str(p)][0]
    return np.array(losses), state.variables["params"]["dense"]["kernel"], moment

assert jax.device_count() == 8
one = train(make_mesh(devices=jax.devices()[:1]), REPLICATED)
eight = train(make_mesh(), REPLICATED)
split = train(make_mesh(data=2, model=4), [(r"dense/kernel$", P("model")), (r".*", P())])
for other in (eight, split):
    np.testing.assert_allclose(other[0], one[0], rtol=1e-5)
    np.testing.assert_allclose(other[1], one[1], rtol=1e-4, atol=1e-6)
assert not split[1].sharding.is_fully_replicated and not split[2].sharding.is_fully_replicated
print("equal")
"""


def test_eight_devices_equal_one():
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "equal", done.stderr


def test_a_mesh_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="data 3 x model 5"):
        make_mesh(data=3, model=5)


def test_the_first_rule_wins_and_a_gap_is_named():
    tree = {"a": {"kernel": jax.ShapeDtypeStruct((4,), "float32")}, "b": jax.ShapeDtypeStruct((), "float32")}
    mesh = make_mesh()
    placed = state_shardings(tree, mesh, [("kernel", P("model")), (".*", P())])
    assert placed["a"]["kernel"].spec == P("model") and placed["b"].spec == P()
    with pytest.raises(ConfigError, match="no sharding rule covers b"):
        state_shardings(tree, mesh, [("kernel", P())])
