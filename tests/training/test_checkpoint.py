"""Checkpoints: bit for bit, the last and the best, never a half, and every mishap one line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import CheckpointError
from jaxspeech.training.checkpoint import Checkpoints, check_same_model
from jaxspeech.training.optimizer import adamw
from jaxspeech.training.sharding import make_mesh, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from tests.training.toy import ToyTask, toy_batch

ROOT = Path(__file__).resolve().parents[2]
TASK, OPTIMIZER = ToyTask(noise=0.1), adamw(0.1, clip_norm=1.0)


def make_state(key):
    return init_state(TASK.init(key), OPTIMIZER, average=True)


def abstract():
    shapes = jax.eval_shape(make_state, jax.random.key(0))
    shardings = state_shardings(shapes, make_mesh())
    return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)


def assert_equal(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(np.asarray(x), np.asarray(y)), a, b)


def test_a_restored_run_goes_on_bit_for_bit(tmp_path):
    step = make_train_step(TASK, OPTIMIZER, schedule=lambda step: jnp.float32(0.1), average_decay=0.9)
    state = make_state(jax.random.key(0))
    checkpoints = Checkpoints(tmp_path)
    for i in range(6):
        if i == 3:
            checkpoints.save(i, state, record={"best": 0.25, "config": {"model": {"width": 4}}})
        state, _ = step(state, toy_batch(i), 7)  # gives away the buffers that are being saved
    checkpoints.close()

    again = Checkpoints(tmp_path)
    assert again.latest == 3 and again.record() == {"best": 0.25, "config": {"model": {"width": 4}}}
    restored = again.restore(abstract())
    assert restored.step == 3 and restored.step.sharding.mesh.axis_names == ("data", "model")
    for i in range(3, 6):
        restored, _ = step(restored, toy_batch(i), 7)
    assert_equal(restored, state)


def test_a_save_is_a_copy_of_the_moment(tmp_path):
    """Large enough that writing outlasts the steps which overwrite the donated buffers."""
    bump = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = bump(jnp.zeros((4000, 1000)))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"x": x}, record={})
    for _ in range(20):
        x = bump(x)
    checkpoints.close()
    saved = Checkpoints(tmp_path).restore({"x": jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)})["x"]
    assert np.all(np.asarray(saved) == 1)


def test_the_last_and_the_best_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, score in [(1, 0.5), (2, 0.3), (3, 0.4), (4, None), (5, None)]:
        checkpoints.save(step, {"x": jnp.ones(3)}, record={}, score=score)
    checkpoints.save(5, {"x": jnp.zeros(3)}, record={})  # already there
    checkpoints.close()
    assert sorted(os.listdir(tmp_path)) == ["2", "4", "5"]


def test_a_half_written_checkpoint_is_not_picked_up(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"x": jnp.ones(3)}, record={})
    checkpoints.close()
    half = tmp_path / "2.orbax-checkpoint-tmp" / "state.orbax-checkpoint-tmp"
    half.mkdir(parents=True)
    shutil.copy(tmp_path / "1" / "state" / "_METADATA", half)
    again = Checkpoints(tmp_path)
    assert again.latest == 1 and os.listdir(tmp_path) == ["1"]


KILLED = """
import sys, jax, jax.numpy as jnp
from jaxspeech.training.checkpoint import Checkpoints
checkpoints = Checkpoints(sys.argv[1])
start = checkpoints.latest or 0
for step in range(start + 1, 10**6):
    checkpoints.save(step, {"x": jnp.full((300, 1000), step)}, record={"step": step})
    print(step, flush=True)
"""


def test_killed_while_saving_again_and_again(tmp_path):
    """kill -9 at moments spread over the write: what is found afterwards is whole."""
    for delay in (0.01, 0.06, 0.11):
        process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        second = int(process.stdout.readline())  # so the one before is complete
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        checkpoints = Checkpoints(tmp_path)
        assert checkpoints.latest >= second - 1 and not [name for name in os.listdir(tmp_path) if "tmp" in name]
        shape = jax.ShapeDtypeStruct((300, 1000), "int32", sharding=jnp.zeros(()).sharding)
        assert np.all(np.asarray(checkpoints.restore({"x": shape})["x"]) == checkpoints.latest)
        assert checkpoints.record() == {"step": checkpoints.latest}


FULL = """
import resource, signal, sys, jax
from jaxspeech.errors import CheckpointError
from jaxspeech.training.checkpoint import Checkpoints
checkpoints = Checkpoints(sys.argv[1])
checkpoints.save(1, {"x": jax.numpy.zeros(3)}, record={})
checkpoints.wait()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    checkpoints.save(2, {"x": jax.random.normal(jax.random.key(0), (1000, 1000))}, record={})
    checkpoints.close()
except CheckpointError as error:
    print(error)
print(Checkpoints(sys.argv[1]).latest)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_write_that_fails_is_one_line_and_the_last_checkpoint_stays(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    message, latest = done.stdout.splitlines()
    assert message.startswith("cannot save") and str(tmp_path) in message and "File too large" in message
    assert latest == "1" and "Traceback" not in done.stderr


def test_no_space_left_says_what_to_do(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)

    def full(*args, **kwargs):
        raise ValueError("RESOURCE_EXHAUSTED: Failed writing: \"/x\": No space left on device [os_error_code='28']")

    monkeypatch.setattr(checkpoints._checkpointer, "save_checkpointables_async", full)
    with pytest.raises(CheckpointError, match=r"cannot save step 3 .* no space left on the disk; make room"):
        checkpoints.save(3, {"x": jnp.zeros(3)}, record={})


def test_too_little_space_is_noticed_before_writing(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=20_000_000))
    with pytest.raises(CheckpointError, match=r"no space left on the disk \(21 MB needed, 20 MB free\)"):
        checkpoints.save(1, {"x": jnp.zeros((1000, 1000))}, record={})
    assert os.listdir(tmp_path) == []


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"x": jnp.arange(1000.0)}, record={})
    checkpoints.close()
    for file in (tmp_path / "1").rglob("d/*"):
        file.write_bytes(b"nothing")
    shape = jax.ShapeDtypeStruct((1000,), "float32", sharding=jnp.zeros(()).sharding)
    with pytest.raises(CheckpointError, match=r"cannot read step 1 .*delete that step's folder") as error:
        Checkpoints(tmp_path).restore({"x": shape})
    assert "\n" not in str(error.value)


def test_another_model_is_refused_by_name():
    saved = {"model": {"encoder": {"width": 176, "dropout": 0.1}}, "tokenizer": {"type": "bpe"}, "steps": 10}
    check_same_model(saved, saved | {"steps": 20}, folder="runs/x")
    now = {"model": {"encoder": {"width": 256, "dropout": 0.1, "num_layers": 2}}, "tokenizer": {"type": "char"}}
    with pytest.raises(CheckpointError, match=r"width was 176, is now 256.*--workdir") as error:
        check_same_model(saved, now, folder="runs/x")
    assert "model.encoder.num_layers was absent, is now 2" in str(error.value)
    assert "tokenizer.type was bpe, is now char" in str(error.value) and "dropout" not in str(error.value)
