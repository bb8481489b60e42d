"""Runs of train.py on a corpus of tones, in which each word is one."""

import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import soundfile

import train

ROOT = Path(__file__).resolve().parents[1]
PITCHES = {"a": 300.0, "b": 700.0, "c": 1500.0}  # each word is a tone


def make_corpus(folder: Path) -> None:
    """Writes {train,dev}.jsonl and their recordings."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("dev", 6)):
        lines = []
        for i in range(count):
            words = rng.choice(list(PITCHES), size=rng.integers(1, 4))
            time_axis = np.arange(4800) / 16000
            tones = [0.3 * np.sin(2 * np.pi * PITCHES[word] * time_axis) for word in words]
            samples = np.concatenate([np.zeros(1600), *tones])
            samples += 0.001 * rng.standard_normal(len(samples))
            soundfile.write(folder / f"{part}{i}.wav", samples, 16000)
            entry = {"audio_filepath": f"{part}{i}.wav", "duration": len(samples) / 16000, "text": " ".join(words)}
            lines.append(json.dumps(entry) + "\n")
        (folder / f"{part}.jsonl").write_text("".join(lines))


def train_here(config, workdir) -> str:
    """Trains in this process; returns what it printed."""
    with redirect_stdout(StringIO()) as out:
        assert train.train(config, workdir) == 0
    return out.getvalue()


def start(corpus, workdir, *overrides) -> subprocess.Popen:
    command = [
        sys.executable,
        "train.py",
        f"--config=tests/tiny_recipe.py:{corpus}",
        f"--workdir={workdir}",
        *overrides,
    ]
    environment = os.environ | {"JAXSPEECH_CACHE": str(corpus / "cache"), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_checkpoint(process, workdir, step) -> None:
    while not any(int(p.name) >= step for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
