"""A small causal enhancement model with random weights."""

import jax
import numpy as np

from jaxspeech.builder import build

RATE = 8000
MODEL = {
    "task": "enhancement",
    "sample_rate": RATE,
    "channels": 1,
    "stft": {"fft_length": 32, "hop": 16},
    "estimator": {
        **{"name": "deep_filter", "num_bands": 4, "low_bins": 8, "width": 6, "num_layers": 1, "memory": 20},
        "sample_rate": RATE,
    },
    "processor": {"name": "spectrum"},
    "loss": {"name": "sdr"},
}


def random_variables(model=None):
    """Weights that are far from those at the start, so that states matter."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(build(MODEL if model is None else model).init, jax.random.key(0))
    return jax.tree.map(lambda x: 0.3 * rng.normal(size=x.shape).astype(np.float32), shapes)
