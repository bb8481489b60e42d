"""train.py in two processes: killed, asked to stop, resumed on another number of processes. Takes minutes."""

import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech.archive import load_archive
from jaxspeech.training.interrupt import PREEMPTED
from tests.tone_runs import start

pytestmark = pytest.mark.slow
SETTINGS = ("--config.sharding=fsdp", "--config.steps=120", "--config.eval_every=60", "--config.checkpoint_every=10")


@pytest.fixture(scope="module")
def uninterrupted(tones, tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("uninterrupted")
    outputs = [process.communicate() for process in start_two(tones, workdir)]
    assert "Done: WER" in outputs[0][0], outputs
    assert "WER" not in outputs[1][0] and not outputs[1][1]  # only process 0 prints
    return workdir


def start_two(tones, workdir) -> list[subprocess.Popen]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    flags = (f"--coordinator=127.0.0.1:{port}", "--num_processes=2")
    return [start(tones, workdir, *SETTINGS, *flags, f"--process_id={i}") for i in range(2)]


def steps_of(workdir) -> set[int]:
    return {int(path.name) for path in (workdir / "checkpoints").glob("*") if path.name.isdigit()}


def wait_for_progress(processes, workdir) -> None:
    """Returns when there is another checkpoint, or a process has ended."""
    before = max(steps_of(workdir), default=0)
    while max(steps_of(workdir), default=0) <= before and all(process.poll() is None for process in processes):
        time.sleep(0.01)


def assert_same_model(workdir, other) -> None:
    ours, theirs = (load_archive(folder / "last.jaxspeech").variables for folder in (workdir, other))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_ten_kills_of_one_of_two_end_with_the_same_bits(tones, uninterrupted, tmp_path):
    for kill in range(10):
        processes = start_two(tones, tmp_path)
        wait_for_progress(processes, tmp_path)
        time.sleep(random.uniform(0, 1))
        victim = kill % 2
        if processes[1 - victim].poll() is not None:
            break  # done before it could be killed
        processes[victim].kill()
        killed = time.perf_counter()
        _, err = processes[1 - victim].communicate(timeout=60)
        processes[victim].communicate()
        print(f"kill {kill} of process {victim}: the other ended after {time.perf_counter() - killed:.1f} s")
        assert processes[1 - victim].returncode == PREEMPTED, err
        # If process 0 is lost, JAX's client may print lines before ours.
        assert err.splitlines()[-1].startswith(f"train.py: process {victim} of 2 is lost"), err
        assert victim == 0 or len(err.split("\n")) <= 3, err
    for process in start_two(tones, tmp_path):
        _, err = process.communicate()
        assert process.returncode == 0, err
    assert_same_model(tmp_path, uninterrupted)


def test_both_stop_when_one_is_asked_to_and_a_single_process_resumes(tones, uninterrupted, tmp_path):
    processes = start_two(tones, tmp_path)
    wait_for_progress(processes, tmp_path)
    processes[1].send_signal(signal.SIGTERM)
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [PREEMPTED, PREEMPTED], outputs
    stopped = outputs[0][0].splitlines()[-1]
    assert stopped.startswith("Stopped after step ")

    alone = start(tones, tmp_path, *SETTINGS)
    out, err = alone.communicate()
    assert alone.returncode == 0, err
    assert f"resuming after step {stopped.split()[3]}" in out.splitlines()[0]
    ours, theirs = (load_archive(folder / "last.jaxspeech").variables for folder in (tmp_path, uninterrupted))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-2), ours, theirs)
