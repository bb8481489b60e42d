"""A run that starts again reads its programs: they give the same bits, and nothing is traced."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxspeech.nn.dropout import Dropout
from jaxspeech.runtime import executables
from jaxspeech.training.flops import step_flops
from jaxspeech.training.kept_step import KeptStep, kept_state, programs_config
from jaxspeech.training.sharding import make_mesh, put_batch, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from jaxspeech.types import Phase
from tests.training.toy import ToyTask, toy_batch

CONFIG = {"model": {"task": "toy"}}
OPTIMIZER = optax.adam(0.1)


TRACES: list[str] = []


class Counting(ToyTask):
    """The toy task, which notes every trace of its functions."""

    def init(self, key):
        TRACES.append("init")
        return super().init(key)

    def rows(self, variables, batch, key):
        TRACES.append("rows")
        return super().rows(variables, batch, key)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(executables, "own_folder", lambda: tmp_path)
    return tmp_path / "programs"


def run(config, *, keeps=True):
    """The states and metrics of three steps of two batch shapes, in a run of its own."""
    mesh, task = make_mesh(devices=jax.devices()[:1]), Counting(noise=0.3)

    def init(key):
        return init_state(task.init(key), (OPTIMIZER,), average=True)

    shapes = jax.eval_shape(init, jax.random.key(3))
    shardings = state_shardings(shapes, mesh)
    like = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)
    TRACES.clear()
    step = make_train_step(
        task,
        (Update(OPTIMIZER),),
        schedule=lambda count: jnp.float32(0.1),
        average_decay=0.9,
        shardings=shardings,
    )
    kept = KeptStep(step, config=config) if keeps else step
    state, found = kept_state(init, 3, like=like, config=config), []
    for rows in (8, 4, 8):
        batch = put_batch(toy_batch(rows, rows), mesh)
        before, (state, metrics) = state, kept(state, batch, 5)
        # The host sees the memory of later states, which can therefore not be reused.
        assert found or before.variables["params"]["dense"]["kernel"].is_deleted()
        assert jax.tree.map(lambda x: x.sharding, state) == shardings
        found.append(jax.device_get((state, metrics)))
    return found


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_second_run_reads_what_the_first_has_compiled(folder):
    expected = run({}, keeps=False)
    assert_same(run(CONFIG), expected)
    assert TRACES and len(list(folder.iterdir())) == 3  # the initial values, and two batch shapes
    assert_same(run(CONFIG), expected)
    assert not TRACES


def test_a_changed_setting_or_a_damaged_file_is_compiled(folder):
    expected = run(CONFIG)
    assert_same(run(CONFIG | {"steps": 7}), expected)
    assert len(list(folder.iterdir())) == 6
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    assert_same(run(CONFIG), expected)
    assert TRACES


def test_the_flops_are_those_of_the_traced_step(folder):
    task, batch = ToyTask(), toy_batch(0)
    for _ in range(2):  # compiled, then read
        step = make_train_step(task, (Update(OPTIMIZER),), schedule=lambda count: jnp.float32(0.1))
        state = init_state(task.init(jax.random.key(0)), (OPTIMIZER,))
        assert KeptStep(step, config=CONFIG).flops(state, batch, 0) == step_flops(step, state, batch, 0) > 0


def test_only_programs_of_this_package_are_kept():
    def loss(*_):
        return None

    settings = {"model": {"task": "ctc"}, "steps": 3, "data": {"train": "a.jsonl"}}
    ours = SimpleNamespace(model=Dropout(0.0), init=put_batch, seconds=put_batch, phases=(Phase(put_batch),))
    assert programs_config(settings, ours) == {"model": {"task": "ctc"}, "steps": 3}
    foreign = SimpleNamespace(model=Dropout(0.0), init=put_batch, seconds=put_batch, phases=(Phase(loss),))
    assert programs_config(settings, foreign) == {}
    assert programs_config(settings, SimpleNamespace(**{**vars(ours), "init": partial(put_batch)})) == {}
