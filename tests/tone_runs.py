"""Runs of train.py on the corpus of tones."""

import os
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from jaxspeech import train

ROOT = Path(__file__).resolve().parents[1]


def train_here(config, workdir) -> str:
    """Trains in this process; returns what it printed."""
    with redirect_stdout(StringIO()) as out:
        assert train.train(config, workdir) == 0
    return out.getvalue()


def start(tones, workdir, *overrides) -> subprocess.Popen:
    """Starts train.py in a process of its own."""
    command = [
        sys.executable,
        "train.py",
        f"--config=tests/tiny_recipe.py:{tones}",
        f"--workdir={workdir}",
        *overrides,
    ]
    environment = os.environ | {"JAXSPEECH_CACHE": str(tones / "cache"), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_checkpoint(process, workdir, step) -> None:
    """Returns when there is a checkpoint of `step` or a later one."""
    while not any(int(p.name) >= step for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
