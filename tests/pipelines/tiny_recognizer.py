"""A tiny random recogniser, audio for it, and what its model computes without the pipeline."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.char import CharTokenizer
from tests.log_probs import log_probs_of

RATE = 16000
CONFIG = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 20},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 8},
    "decoder": {"name": "ctc", "vocab_size": 27},
}


def chirps(seed: int, seconds: float) -> np.ndarray:
    """Tones that change five times a second."""
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(100, 6000, 100), RATE // 5)[: round(seconds * RATE)]
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.01 * rng.standard_normal(len(pitch))).astype("f")


@functools.cache
def reference() -> Callable[[Any, np.ndarray], np.ndarray]:
    """(variables, samples) -> log-probabilities of the model as configured: scanned layers, no batch, no padding."""
    log_probs = jax.jit(log_probs_of(build(CONFIG)))

    def apply(variables: Any, samples: np.ndarray) -> np.ndarray:
        length, no_labels = np.array([len(samples)]), np.zeros((1, 0), np.int32)
        found, num_frames = log_probs(variables, Utterances(samples[None], length, no_labels, length, length))
        return np.asarray(found)[0, : int(num_frames[0])]

    return apply


@functools.cache
def tiny_archive() -> Archive:
    """A random model with varied output: its head has large weights, and prefers no symbol on average."""
    variables = jax.device_get(jax.jit(build(CONFIG).init)(jax.random.key(3)))
    head = variables["params"]["decoder"]["out"]
    head["kernel"] = 30 * head["kernel"]
    head["bias"] = -reference()(variables, chirps(99, 1.6)).mean(0)
    return Archive(CONFIG, {"tokenizer": CharTokenizer("abcdefghijklmnopqrstuvwxyz ")}, variables, {"by": "test"})
