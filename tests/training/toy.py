"""A task small enough to check by hand: a linear model of the samples, noise from the key, one running statistic."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.tasks.recognition import Utterances
from jaxspeech.types import Phase, RowLosses

SAMPLES = 4


class ToyTask(NamedTuple):
    """loss[b] = (samples[b] . kernel + bias + noise - labels[b, 0])^2, inf where num_labels[b] > num_samples[b]."""

    noise: float = 0.0
    sample_rate: int = 2

    def init(self, key):
        return {
            "params": {"dense": {"kernel": jax.random.normal(key, (SAMPLES,)), "bias": jnp.zeros(())}},
            "batch_stats": {"seen": jnp.zeros(())},
        }

    @property
    def phases(self):
        return (Phase(self.rows),)

    def seconds(self, batch):
        return batch.num_samples / self.sample_rate

    def loss(self, variables, batch, key):
        rows, updates = self.rows(variables, batch, key)
        return rows.losses, updates

    def rows(self, variables, batch, key):
        dense = variables["params"]["dense"]
        y = batch.samples @ dense["kernel"] + dense["bias"] + self.noise * jax.random.normal(key, batch.index.shape)
        losses = (y - batch.labels[:, 0]) ** 2
        # Like a real loss: infinite, without a gradient, where there is no alignment.
        feasible = batch.num_labels <= batch.num_samples
        losses = jnp.where(feasible, jnp.where(feasible, losses, 0.0), jnp.inf)
        rows = RowLosses(losses, batch.num_labels.astype(jnp.float32), {"squared": losses})
        return rows, {"batch_stats": {"seen": variables["batch_stats"]["seen"] + 1}}


def toy_batch(seed: int, rows: int = 8) -> Utterances:
    rng = np.random.default_rng(seed)
    return Utterances(
        samples=rng.standard_normal((rows, SAMPLES)).astype(np.float32),
        num_samples=np.full(rows, SAMPLES, np.int32),
        labels=rng.integers(0, 5, (rows, 3)).astype(np.int32),
        num_labels=rng.integers(1, 4, rows).astype(np.int32),
        index=np.arange(rows, dtype=np.int32),
    )
