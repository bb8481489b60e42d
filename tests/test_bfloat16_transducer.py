"""Long bfloat16 training of a transducer on utterances of all lengths stays finite."""

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw

STEPS = 2000
RATE, VOCAB_SIZE, MOST_LABELS = 16000, 32, 60


def tone_batch(rng: np.random.Generator) -> Utterances:
    """Utterances of 0.3 to 20 s: a tone for each label. One of them is empty, one holds more than fits."""
    num_samples = (RATE * rng.uniform(0.3, 20.0, 6)).astype(np.int32)
    num_labels = np.minimum(1 + num_samples // 6000, MOST_LABELS).astype(np.int32)
    labels = rng.integers(0, VOCAB_SIZE, (6, MOST_LABELS)).astype(np.int32)
    samples = np.zeros((6, 20 * RATE), np.float32)
    time = np.arange(20 * RATE) / RATE
    for row, (n, u) in enumerate(zip(num_samples, num_labels, strict=True)):
        pitch = 200 + 100 * labels[row, np.minimum(np.arange(n) * u // n, u - 1)]
        samples[row, :n] = 0.3 * np.sin(2 * np.pi * pitch * time[:n]) + 0.01 * rng.standard_normal(n)
    num_labels[4], num_labels[5], num_samples[5] = 0, MOST_LABELS, int(0.3 * RATE)
    return Utterances(samples, num_samples, labels, num_labels, np.arange(6, dtype=np.int32))


@pytest.mark.slow
@pytest.mark.parametrize("durations", [(), (0, 1, 2, 3, 4)], ids=["RNN-T", "TDT"])
def test_no_nan_in_two_thousand_steps(durations):
    decoder = {"name": "transducer", "vocab_size": VOCAB_SIZE, "width": 32, "joint_width": 32, "durations": durations}
    encoder = {"name": "fastconformer", "num_layers": 2, "width": 32, "num_heads": 2, "subsampling": "stacking"}
    config = {
        "task": "transducer",
        "features": {"name": "mel", "num_mels": 32},
        "encoder": encoder | {"dtype": "bfloat16"},
        "decoder": decoder | {"dtype": "bfloat16"},
        "loss": {"sigma": 0.05 if durations else 0.0, "omega": 0.1 if durations else 0.0},
    }
    task = build(config)
    optimizer = adamw(2e-3)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), optimizer)
    step = make_train_step(task, optimizer, schedule=lambda count: 2e-3)
    rng = np.random.default_rng(0)
    batches = [jax.device_put(tone_batch(rng)) for _ in range(20)]
    losses = []
    for i in range(STEPS):
        state, metrics = step(state, batches[i % len(batches)], 0)
        losses.append(metrics)
    losses = jax.device_get(losses)
    assert all(metrics["skipped"] == 0 and np.isfinite(metrics["loss"]) for metrics in losses)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(jax.device_get(state.variables)))
    first, last = (np.mean([metrics["loss"] for metrics in part]) for part in (losses[:20], losses[-20:]))
    assert last < 0.5 * first
