"""Measures FastPitch with random weights, at the size and on the texts of `bench_nemo_tts.py`, NeMo's cases.

A sentence of 150 symbols becomes 861 frames, 10 s of speech. Training takes 8 recordings of 6.5 s with 100 symbols
each, and includes their mel frames, the prior and the alignment. The times include the copy of the results to the host.
"""

from typing import Any

import jax
import numpy as np

from benchmarks.models import num_parameters
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.configs.fastpitch import FEATURES, speech
from jaxspeech.tasks.kinds import Timing
from jaxspeech.tasks.speech import SpokenText
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update

RATE, HOP, SYMBOLS = 22050, 256, 114


def model() -> dict[str, Any]:
    """Makes the configuration of the published size."""
    return speech(FEATURES, vocab_size=SYMBOLS)


def fastpitch(repeat: int, *, tokens: int = 150, seconds: float = 10.0) -> dict[str, Any]:
    """Speaks one sentence, with durations that sum to the frames of 10 s, by both programs of synthesis."""
    task = build(model())
    variables = jax.jit(task.init)(jax.random.key(0))
    text = jax.random.randint(jax.random.key(1), (1, tokens), 0, SYMBOLS)
    given = text, np.array([tokens]), np.zeros(1, np.int32), np.ones(1, np.float32), np.zeros(1, np.float32)
    size = int(seconds * RATE) // HOP
    # Those that random weights predict mean nothing.
    stated = np.diff(np.arange(tokens + 1) * size // tokens)[None].astype(np.int32)
    plan, speak = jax.jit(task.inference.durations), jax.jit(task.inference.frames, static_argnums=2)

    def run() -> Any:
        timing = plan(variables, *given)
        jax.device_get(timing.durations)  # the host reads how many frames there are
        return jax.device_get(speak(variables, Timing(stated, timing.hidden), size))

    times = measure(run, repeat or 5)
    seconds = size * HOP / RATE
    found = {"params": num_parameters(variables), "tokens": tokens, "frames": size, "secs_audio": seconds}
    return found | {"RTFx": seconds / times["median_s"], **times}


def train_fastpitch(repeat: int, *, batch: int = 8, seconds: float = 6.5, tokens: int = 100) -> dict[str, Any]:
    """Trains on one batch, as it is."""
    task, optimizer = build(model()), adamw(1e-4, weight_decay=0.0)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), (optimizer,))
    parameters = num_parameters(state.variables)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-4)
    rng, size = np.random.default_rng(0), int(seconds * RATE)
    rows = SpokenText(
        index=np.arange(batch),
        text=rng.integers(1, 60, (batch, tokens)),
        num_symbols=np.full(batch, tokens),
        samples=0.1 * rng.standard_normal((batch, size)).astype(np.float32),
        num_samples=np.full(batch, size),
        pitch=rng.standard_normal((batch, size // HOP + 1)).astype(np.float32),
        speaker=np.zeros(batch, np.int32),
    )
    rows = jax.device_put(rows)

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, rows, 0)
        return metrics

    times = measure(run, repeat or 4, warmup=2)
    speed = {"audio_s_per_s": batch * seconds / times["median_s"]}
    return {"params": parameters, "batch": batch, "secs_audio": seconds, "tokens": tokens, **speed, **times}


CASES = {"fastpitch": fastpitch, "train_fastpitch": train_fastpitch}
GPU_CASES = {"fastpitch_gpu": fastpitch, "train_fastpitch_gpu": train_fastpitch}
