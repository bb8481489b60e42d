"""Measures the time from the start of a process to the first transcript with a .nemo file."""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import soundfile

from benchmarks.models import SAMPLE_RATE, VOCAB_SIZE, ctc_config
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


CASES = {"cold_large": partial(cold, size="115m"), "cold_600m": partial(cold, size="600m")}
