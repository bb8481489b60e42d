"""Measures the start of a training run: from the start of the process to the end of the first step."""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.loading import process_times
from benchmarks.models import SAMPLE_RATE

# `jaxspeech train`, ended after its first step.
TRAIN_ONE_STEP = """
import os, sys
import jax
from jaxspeech.cli.main import main
from jaxspeech.training.progress import Progress

def end(self, metrics):
    print(float(jax.device_get(metrics["loss"])), flush=True)
    os._exit(0)

Progress.finished = end
sys.exit(main(sys.argv[1:], verb="train"))
"""
UTTERANCES, SECONDS = 8, 4


def start_train(repeat: int, *, size: str) -> dict[str, Any]:
    """Train one step of a FastConformer-CTC on noise by the command, with an empty cache and a full one.

    Seconds of each process from its start to the end of the step, and of the processor's time that it used.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_noise(folder)
        given = {
            "data.train": manifest,
            "data.eval": "{}",
            "data.buckets": 1,
            "data.batch_seconds": float(UTTERANCES * SECONDS),
            "tokenizer.type": "char",
            "model.encoder.dtype": "float32",
            "steps": 20_000,
        }
        options = [
            f"--config=fastconformer_ctc:{size}",
            *(f"--config.{field}={value}" for field, value in given.items()),
        ]
        runs = []
        for i in range(1 + (repeat or 2)):
            command = [sys.executable, "-c", TRAIN_ONE_STEP, *options, f"--workdir={folder / str(i)}"]
            runs.append(process_times(command, JAXSPEECH_CACHE=str(folder / "cache")))
    return {"cold": runs[0], "warm": runs[1:]}


def write_noise(folder: Path) -> Path:
    """Writes recordings of noise with random transcripts; returns their manifest."""
    rng, lines = np.random.default_rng(0), []
    for i in range(UTTERANCES):
        soundfile.write(folder / f"{i}.wav", 0.1 * rng.standard_normal(SECONDS * SAMPLE_RATE), SAMPLE_RATE)
        text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 20))
        lines.append(json.dumps({"audio_filepath": f"{i}.wav", "duration": SECONDS, "text": text}))
    manifest = folder / "train.jsonl"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


CASES = {"start_train": partial(start_train, size="large"), "start_train_small": partial(start_train, size="small")}
