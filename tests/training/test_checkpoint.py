"""Checkpoints: bit for bit, the last and the best, never incomplete, and one line for each failure."""

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
import optax
import pytest

from jaxspeech.errors import CheckpointError
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.fingerprint import fingerprint
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.parameters import choose_trainable
from jaxspeech.training.resume_checks import check_same_model
from jaxspeech.training.sharding import make_mesh, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update
from tests.training.toy import ToyTask, toy_batch

ROOT = Path(__file__).resolve().parents[2]
TASK, OPTIMIZER = ToyTask(noise=0.1), adamw(0.1, clip_norm=1.0)


def make_state(key):
    return init_state(TASK.init(key), (OPTIMIZER,), average=True)


def abstract():
    shapes = jax.eval_shape(make_state, jax.random.key(0))
    shardings = state_shardings(shapes, make_mesh())
    return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)


def checkpoints_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def assert_equal(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(np.asarray(x), np.asarray(y)), a, b)


def test_a_restored_run_continues_bit_for_bit(tmp_path):
    step = make_train_step(TASK, (Update(OPTIMIZER),), schedule=lambda step: jnp.float32(0.1), average_decay=0.9)
    state = make_state(jax.random.key(0))
    checkpoints = Checkpoints(tmp_path)
    for i in range(6):
        if i == 3:
            checkpoints.save(i, state, record={"best": 0.25, "config": {"model": {"width": 4}}})
        state, _ = step(state, toy_batch(i), 7)  # donates the buffers that are being saved
    checkpoints.close()

    again = Checkpoints(tmp_path)
    restored, record = again.restore(abstract())
    assert again.latest == 3 and record == {"best": 0.25, "config": {"model": {"width": 4}}}
    assert restored.step == 3 and restored.step.sharding.mesh.axis_names == ("data", "model")
    for i in range(3, 6):
        restored, _ = step(restored, toy_batch(i), 7)
    assert_equal(restored, state)


def test_groups_frozen_parameters_and_noise_return_bit_for_bit(tmp_path):
    """Nested states of several kinds, with gaps for parameters without a state."""
    params = {"encoder": {"layers": {"up": {"kernel": jnp.ones((2, 3, 4))}}, "bias": jnp.ones(3)}, "out": jnp.ones(2)}
    config = {"name": "muon", "learning_rate": 0.1, "rates": (("layers_0/", 0.5),), "gradient_noise": {"std": 0.1}}
    optimizer, _ = build_optimizer(config, steps=9, trainable=choose_trainable(freeze=("^out$", "layers_1/")))
    update = jax.jit(optimizer.update)

    def advance(params, state):
        changes, state = update(jax.tree.map(jnp.sin, params), state, params)
        return optax.apply_updates(params, changes), state

    states = [(params, optimizer.init(params))]
    for _ in range(3):
        states.append(advance(*states[-1]))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(2, states[2], record={"step": 2})
    checkpoints.close()
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), states[2])
    restored, _ = Checkpoints(tmp_path).restore(shapes)
    assert jax.tree.structure(restored) == jax.tree.structure(states[2])
    assert_equal(advance(*restored), states[3])


def test_a_save_copies_the_state_at_once(tmp_path):
    """The state is so large that writing outlasts the steps which overwrite the donated buffers."""
    bump = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = bump(jnp.zeros((4000, 1000)))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"x": x}, record={})
    for _ in range(20):
        x = bump(x)
    checkpoints.close()
    saved = Checkpoints(tmp_path).restore({"x": jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)})[0]["x"]
    assert np.all(np.asarray(saved) == 1)


def test_the_last_and_the_best_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=2, keep_best=2)
    for step, score in [(1, 0.5), (2, 0.3), (3, 0.4), (4, 0.6), (5, None)]:
        checkpoints.save(step, {"x": jnp.ones(3)}, record={}, score=score)
    checkpoints.save(5, {"x": jnp.zeros(3)}, record={})  # already there
    checkpoints.close()
    assert checkpoints_in(tmp_path) == ["2", "3", "4", "5"]
    again = Checkpoints(tmp_path, keep_last=1, keep_best=1)  # knows the scores
    again.save(6, {"x": jnp.zeros(3)}, record={}, score=0.35)
    again.close()
    assert checkpoints_in(tmp_path) == ["2", "6"]
    with pytest.raises(CheckpointError, match=r"keep\.last is 0"):
        Checkpoints(tmp_path, keep_last=0)


def test_a_half_written_checkpoint_is_not_picked_up(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"x": jnp.ones(3)}, record={})
    checkpoints.close()
    half = tmp_path / "2.orbax-checkpoint-tmp" / "state.orbax-checkpoint-tmp"
    half.mkdir(parents=True)
    shutil.copy(tmp_path / "1" / "state" / "_METADATA", half)
    assert Checkpoints(tmp_path, only_read=True).steps == [1] and half.exists()  # it may still be being written
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
    """After kill -9 at times spread over the write, the last checkpoint is complete."""
    for delay in (0.01, 0.06, 0.11):
        process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        second = int(process.stdout.readline())  # so the previous checkpoint is complete
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        checkpoints = Checkpoints(tmp_path)
        assert checkpoints.latest >= second - 1 and not [name for name in os.listdir(tmp_path) if "tmp" in name]
        shape = jax.ShapeDtypeStruct((300, 1000), "int32", sharding=jnp.zeros(()).sharding)
        state, record = checkpoints.restore({"x": shape})
        assert np.all(np.asarray(state["x"]) == checkpoints.latest) and record == {"step": checkpoints.latest}


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

    checkpoints.save(2, {"x": jnp.zeros(3)}, record={})
    checkpoints.wait()
    monkeypatch.setattr(checkpoints._checkpointer, "save_checkpointables_async", full)
    with pytest.raises(CheckpointError, match=r"save step 3 .* no space left on the disk; .* of step 2 is complete"):
        checkpoints.save(3, {"x": jnp.zeros(3)}, record={})


def test_too_little_space_is_noticed_before_writing(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=20_000_000))
    with pytest.raises(CheckpointError, match=r"no space .* \(21 MB needed, 20 MB free\); .* no checkpoint yet"):
        checkpoints.save(1, {"x": jnp.zeros((1000, 1000))}, record={})
    assert os.listdir(tmp_path) == []


FILES = ("_CHECKPOINT_METADATA", "state/_METADATA", "state/manifest.ocdbt", "state/d/*", "state/ocdbt.process_0/d/*")


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A folder of three checkpoints, and the state that they hold (times the step)."""
    folder = tmp_path_factory.mktemp("three")
    state = {"x": jnp.asarray(np.random.default_rng(0).standard_normal(5000), jnp.float32), "n": jnp.int32(1)}
    checkpoints = Checkpoints(folder, keep_last=3)
    for step in (1, 2, 3):
        checkpoints.save(step, jax.tree.map(lambda x, step=step: x * step, state), record={"step": step})
    checkpoints.close()
    return folder, state


@pytest.mark.parametrize("harm", ["truncated", "emptied", "removed", "altered"])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(three, tmp_path, file, harm, caplog):
    shutil.copytree(three[0], tmp_path, dirs_exist_ok=True)
    path = max((tmp_path / "3").glob(file), key=lambda path: path.stat().st_size)  # their number varies
    content = bytearray(path.read_bytes())
    if harm == "altered":
        place = content.index(b'"record"') + 15 if file == FILES[0] else len(content) // 2  # inside the content
        content[place] ^= 1
    else:
        content = content[: len(content) // 2 if harm == "truncated" else 0]
    path.write_bytes(content)
    if harm == "removed":
        path.unlink()

    reported = []
    checkpoints = Checkpoints(tmp_path, report=reported.append)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), three[1])
    state, record = checkpoints.restore(shapes)
    assert record == {"step": 2}
    assert_equal(state, jax.tree.map(lambda x: 2 * x, three[1]))
    assert len(reported) == 1 and "\n" not in reported[0] and not caplog.records
    assert reported[0].startswith(f"{tmp_path}/3 cannot be read (")
    assert reported[0].endswith("set aside as 3.damaged; going back to step 2")
    assert (tmp_path / "3.damaged").is_dir() and checkpoints.steps == [1, 2]
    checkpoints.save(3, state, record=record)  # step 3 is free again
    checkpoints.close()


def test_if_none_can_be_read_all_are_kept_and_nothing_is_started(three, tmp_path):
    shutil.copytree(three[0], tmp_path, dirs_exist_ok=True)
    for file in tmp_path.rglob("state/manifest.ocdbt"):
        file.write_bytes(b"nothing")
    reported = []
    with pytest.raises(
        CheckpointError, match=r"no checkpoint in .* all are set aside \(3.damaged, 2.damaged, 1.damaged\)"
    ):
        Checkpoints(tmp_path, report=reported.append).restore({"x": jax.ShapeDtypeStruct((), "float32")})
    assert len(reported) == 3 and checkpoints_in(tmp_path) == ["1.damaged", "2.damaged", "3.damaged"]


def test_a_different_optimizer_is_reported_and_nothing_is_set_aside(three):
    place = jnp.zeros(()).sharding
    shapes = {"x": jax.ShapeDtypeStruct((5000,), "float32", sharding=place), "mu": jax.ShapeDtypeStruct((), "float32")}
    with pytest.raises(CheckpointError, match=r"different optimizer or different trained .*: state.mu was absent"):
        Checkpoints(three[0]).restore(shapes)
    assert checkpoints_in(three[0]) == ["1", "2", "3"]


def test_if_scores_cannot_be_read_only_they_are_lost(tmp_path):
    (tmp_path / "scores.json").write_text("{")
    reported = []
    checkpoints = Checkpoints(tmp_path, report=reported.append)
    assert checkpoints.latest is None and len(reported) == 1 and "have no score" in reported[0]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool"])
def test_a_fingerprint_depends_on_every_element_and_its_place(dtype):
    x = jnp.asarray(np.random.default_rng(0).integers(0, 2, (3, 4, 5)), dtype)
    seen = {fingerprint({"x": x, "y": y}) for y in (jnp.zeros(2), jnp.ones(2))}
    for place in np.ndindex(x.shape):
        other = np.array(x)
        other[place] = other[place] == 0
        seen.add(fingerprint({"x": jnp.asarray(other), "y": jnp.zeros(2)}))
    seen |= {fingerprint({"x": y, "y": jnp.zeros(2)}) for y in (jnp.roll(x, 1, axis) for axis in range(3))}
    assert len(seen) == 2 + x.size + 3


def test_a_different_model_is_refused_by_name():
    saved = {"model": {"encoder": {"width": 176, "dropout": 0.1}}, "tokenizer": {"type": "bpe"}, "steps": 10}
    check_same_model(saved, saved | {"steps": 20}, fixed=("model", "tokenizer"), folder="runs/x")
    now = {"model": {"encoder": {"width": 256, "dropout": 0.1, "num_layers": 2}}, "tokenizer": {"type": "char"}}
    with pytest.raises(CheckpointError, match=r"width was 176, is now 256.*--workdir") as error:
        check_same_model(saved, now, fixed=("model", "tokenizer"), folder="runs/x")
    assert "model.encoder.num_layers was absent, is now 2" in str(error.value)
    assert "tokenizer.type was bpe, is now char" in str(error.value) and "dropout" not in str(error.value)
