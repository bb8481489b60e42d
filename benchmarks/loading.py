"""Measures the start of a process: to the first transcript of a .nemo file; the command with five recordings."""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import soundfile

from benchmarks.models import SAMPLE_RATE, VOCAB_SIZE, ctc_config
from jaxspeech.archive import save_archive
from jaxspeech.builder import build
from jaxspeech.interop.nemo import save_nemo
from jaxspeech.text.char import CharTokenizer

# The program of a user: prints peak memory in MiB, and seconds since its first line.
FIRST_TRANSCRIPT = """
import json, resource, sys, time
started = time.perf_counter()
import jaxspeech
asr = jaxspeech.load(sys.argv[1])
loaded = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
asr.transcribe(sys.argv[2])
print(json.dumps({"load_s": loaded - started, "total_s": time.perf_counter() - started, "peak_rss_loaded_mib": peak}))
"""


def cold(repeat: int, *, size: str) -> dict[str, Any]:
    """Load a FastConformer-CTC with random weights and transcribe ten seconds of noise, in separate processes.

    The first process fills the compilation cache and is reported separately.
    """
    config = ctc_config(size)
    tokenizer = CharTokenizer([chr(0x4E00 + i) for i in range(VOCAB_SIZE)])
    variables = jax.device_get(jax.jit(build(config).init)(jax.random.key(0)))
    with tempfile.TemporaryDirectory() as folder:
        model, audio = Path(folder, "model.nemo"), Path(folder, "noise.wav")
        save_nemo(model, model=config, tokenizer=tokenizer, variables=variables)
        del variables
        noise = 0.1 * np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE)
        soundfile.write(audio, noise, SAMPLE_RATE)
        command = [sys.executable, "-c", FIRST_TRANSCRIPT, str(model), str(audio)]
        runs = [
            json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            for _ in range(1 + (repeat or 3))
        ]
        megabytes = model.stat().st_size / 1e6
    return {"file_mb": megabytes, "first": runs[0], "warm": runs[1:]}


def start_five(repeat: int) -> dict[str, Any]:
    """Transcribe five recordings of 1 to 16 s with a 109M model by the command, with an empty cache and a full one.

    Seconds of each process from its start to its end, and of the processor's time that it used.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_five(Path(folder))
        return start_here(Path(folder, "model.jaxspeech"), repeat=repeat)


def write_five(folder: Path) -> None:
    """Writes a FastConformer-CTC of 109M random parameters, model.jaxspeech and model.nemo, and the recordings."""
    config = ctc_config("115m", num_layers=17)
    tokenizer = CharTokenizer([chr(0x4E00 + i) for i in range(VOCAB_SIZE)])
    variables = jax.device_get(jax.jit(build(config).init)(jax.random.key(0)))
    save_archive(folder / "model.jaxspeech", model=config, assets={"tokenizer": tokenizer}, variables=variables)
    save_nemo(folder / "model.nemo", model=config, assets={"tokenizer": tokenizer}, variables=variables)
    rng = np.random.default_rng(0)
    for file in recordings(folder):
        soundfile.write(file, 0.1 * rng.standard_normal(int(file.stem) * SAMPLE_RATE), SAMPLE_RATE)


def recordings(folder: Path) -> list[Path]:
    """The recordings' files; each is named by its seconds."""
    return [folder / f"{seconds}.wav" for seconds in (1, 4, 7, 11, 16)]


def start_here(model: Path, *, repeat: int) -> dict[str, Any]:
    """Transcribes the recordings in the model's folder: once with an empty cache, then `repeat` times."""
    command = [sys.executable, "-m", "jaxspeech", "transcribe", f"--model={model}", *map(str, recordings(model.parent))]
    with tempfile.TemporaryDirectory() as cache:
        runs = [process_times(command, JAXSPEECH_CACHE=cache) for _ in range(1 + (repeat or 3))]
    return {"cold": runs[0], "warm": runs[1:]}


def process_times(command: list[str], **environment: str) -> dict[str, float]:
    """Seconds of a process from its start to its end, and of the processor's time that it used."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, env=os.environ | environment)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_s": time.perf_counter() - started, "cpu_s": used}


CASES = {"start_five": start_five, "cold_large": partial(cold, size="115m"), "cold_600m": partial(cold, size="600m")}
