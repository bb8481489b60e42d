"""An adversarial pair: a generator scales noise until a discriminator mistakes it for the recording's loudness.

A step has two phases, the discriminator's and then the generator's, each with its own parameters.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.job import Job, as_it_is
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.masks import length_mask
from jaxspeech.tasks.branches import without_parts
from jaxspeech.tasks.kinds import Enhancement
from jaxspeech.tasks.parts import Kind
from jaxspeech.tasks.task import Task
from jaxspeech.types import Phase, RowLosses

RATE = 16000


class Sounds(NamedTuple):
    samples: Any
    num_samples: Any
    index: Any


class Pair(nn.Module):
    width: int = 4

    def setup(self) -> None:
        self.discriminator = nn.Sequential([nn.Dense(self.width), nn.tanh, nn.Dense(1)])
        self.generator = nn.Dense(1)

    def loudness(self, samples, num_samples):
        """The level of each row in dB, divided by ten [B 1]."""
        mask = length_mask(num_samples, samples.shape[1])
        power = jnp.where(mask, jnp.square(jnp.where(mask, samples, 0)), 0).sum(1) / jnp.maximum(num_samples, 1)
        return jnp.log10(power + 1e-6)[:, None]

    def judge(self, loudness):
        return self.discriminator(loudness)[:, 0]

    def make(self, noise):
        return self.generator(noise)

    def __call__(self, samples, num_samples):
        real = self.loudness(samples, num_samples)
        return self.judge(real), self.judge(self.make(real))


def pair_task(model: Pair) -> Task:
    def init(key):
        return dict(model.init(key, jnp.zeros((1, 8)), jnp.array([8])))

    def call(variables, method, *inputs):
        return model.apply(variables, *inputs, method=method)

    def fake_of(variables, batch):
        # Each row has its own noise, wherever it is in the batch and in the run, so that losses can be compared.
        keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), batch.index.astype(jnp.uint32))
        return call(variables, "make", jax.vmap(lambda key: jax.random.normal(key, (1,)))(keys))

    def discriminator(variables, batch, key):
        real = call(variables, "judge", call(variables, "loudness", batch.samples, batch.num_samples))
        fake = call(variables, "judge", fake_of(variables, batch))
        losses = (real - 1) ** 2 + fake**2
        return RowLosses(losses, jnp.ones_like(losses), {"real": real, "fake": fake}), {}

    def generator(variables, batch, key):
        losses = (call(variables, "judge", fake_of(variables, batch)) - 1) ** 2
        return RowLosses(losses, jnp.ones_like(losses), {}), {}

    def predict(variables, batch):
        return call(variables, "make", call(variables, "loudness", batch.samples, batch.num_samples))[:, 0]

    def enhance(variables, samples, num_samples):
        return samples * call(variables, "make", call(variables, "loudness", samples[:, 0], num_samples))[:, :, None]

    return Task(
        model=model,
        batch=Sounds,
        init=init,
        phases=(
            Phase(discriminator, trains="^discriminator/", name="discriminator"),
            Phase(generator, trains="^generator/", name="generator"),
        ),
        predict=predict,
        seconds=lambda batch: batch.num_samples / RATE,
        inference=Enhancement(RATE, 1, enhance),
        used=lambda variables: without_parts(variables, "discriminator"),
    )


def distance() -> Evaluation:
    return Evaluation(
        lower_is_better=True,
        collect=lambda found, batch: [float(value) for value in found],
        score=lambda found, fields: {"distance": sum(map(abs, found.values())) / max(len(found), 1)},
        show=lambda scores: f"distance {scores['distance']:.3f}",
        sample=lambda value, fields: f"  found: {value:.3f}",
        identity=(),
    )


JOB = Job(
    source=manifest_with(),
    assets=lambda settings, manifest, given: {},
    sized=lambda model, assets: model,
    data=recordings(lambda manifest, assets, task: {}),
    evaluation=lambda settings, assets, task: distance(),
    adapted=as_it_is,
    describe=lambda assets: "nothing owned",
)
NAME = "toy_adversarial"
KIND = Kind(Pair, pair_task, {}, values={"width": None})
ASSETS: dict[str, Any] = {}
MODEL = {"task": NAME, "width": 4}
