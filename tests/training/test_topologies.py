"""Training gives the same result on one device, on eight virtual ones with any sharding, and in two processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.quick_compile import QUICK_COMPILE

ROOT = Path(__file__).resolve().parents[2]
ALONE = {"devices": 1}
# Without biases: the gradients of some are pure rounding errors, which Adam turns into full steps.
MODEL = {"use_bias": False}


def run(folder, settings, *, steps, flags=(), devices=8) -> subprocess.Popen:
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {QUICK_COMPILE}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-m", "tests.training.topologies", str(steps), str(folder), *map(json.dumps, settings)]
    return subprocess.Popen(
        [*command, *flags], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process) -> None:
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err


def assert_equal_runs(folder, others) -> None:
    """Asserts equal losses to 1e-5, and variables to 0.1 % of their norm: Adam's steps do not shrink with gradients."""
    one = np.load(folder / "0.npz")
    for other in map(np.load, others):
        np.testing.assert_allclose(other["losses"], one["losses"], rtol=1e-5)
        for name in one:
            assert np.linalg.norm(other[name] - one[name]) <= 1e-3 * np.linalg.norm(one[name]), name


def two_processes(folder, settings, *, steps) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    flags = [f"--coordinator=127.0.0.1:{port}", "--num_processes=2"]
    both = [run(folder, settings, steps=steps, flags=[*flags, f"--process_id={i}"], devices=1) for i in range(2)]
    for process in both:
        finish(process)


def test_two_processes_train_as_one(tmp_path):
    alone, two = tmp_path / "alone", tmp_path / "two"
    for folder in (alone, two):
        folder.mkdir()
    process = run(alone, [ALONE], steps=6)
    two_processes(two, [{"sharding": "fsdp"}], steps=6)
    finish(process)
    assert_equal_runs(alone, [two / "0.npz"])


TOPOLOGIES = [
    {},
    {"sharding": "fsdp"},
    {"mesh": {"model": 4}},
    {"mesh": {"model": 4}, "sharding": "fsdp"},
    {"mesh": {"model": 4}, "sharding": "tensor"},
    {"mesh": {"model": 4}, "sharding": "fsdp_tensor"},
]


@pytest.mark.slow
@pytest.mark.parametrize("decoder", [None, {"width": 8, "joint_width": 8}], ids=["ctc", "transducer"])
def test_fifty_steps_on_every_topology(tmp_path, decoder):
    eight, two = tmp_path / "eight", tmp_path / "two"
    for folder in (eight, two):
        folder.mkdir()
    model = MODEL | ({} if decoder is None else {"decoder": decoder})
    process = run(eight, [{**setting, "model": model} for setting in (ALONE, *TOPOLOGIES)], steps=50)
    finish(process)
    two_processes(two, [{"sharding": s, "model": model} for s in ("replicated", "fsdp")], steps=50)
    assert_equal_runs(eight, [*sorted(eight.glob("[1-9].npz")), *two.glob("*.npz")])


@pytest.mark.slow
def test_micro_batches_train_as_whole_ones(tmp_path):
    """On eight devices too, if no layer uses several rows at once and nothing is random."""
    drawn = dict.fromkeys(("dropout", "dropout_pre_encoder", "dropout_att", "dither"), 0.0)
    model = MODEL | drawn | {"conv_norm": "layer", "masks": 0}
    whole, parts = ALONE | {"model": model}, {"model": model, "accumulate": 2, "sharding": "fsdp"}
    finish(run(tmp_path, [whole, ALONE | parts, parts], steps=50))
    assert_equal_runs(tmp_path, [tmp_path / "1.npz", tmp_path / "2.npz"])
