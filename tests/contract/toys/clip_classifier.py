"""A clip classifier with its own asset and score: it finds a recording's first tone from the mean spectrum."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.data.columns.column import Column
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.job import Job, as_it_is
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.masks import length_mask
from jaxspeech.tasks.kinds import Classification
from jaxspeech.tasks.parts import FEATURES, Kind
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Phase, RowLosses


class Clips(NamedTuple):
    samples: Any
    num_samples: Any
    tone: Any
    index: Any


class Tones:
    """The names of the classes."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def config(self) -> dict[str, Any]:
        return {"count": len(self.names)}

    def files(self) -> dict[str, bytes]:
        return {"names.txt": "\n".join(self.names).encode()}

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "Tones":
        return cls(tuple(files["names.txt"].decode().split("\n")))


class ClipModel(nn.Module):
    frontend: nn.Module
    num_tones: int = 0

    @nn.compact
    def __call__(self, samples, num_samples, *, train: bool = False):
        features, num_frames = self.frontend(samples, num_samples, train=train)
        mask = length_mask(num_frames, features.shape[1])[..., None]
        mean = jnp.where(mask, features, 0).sum(1) / jnp.maximum(num_frames, 1)[:, None]
        return nn.Dense(self.num_tones, name="out")(mean)


def clip_task(model: ClipModel) -> Task:
    rate = model.frontend.sample_rate

    def init(key):
        return dict(model.init(key, jnp.zeros((1, rate)), jnp.array([rate])))

    def loss(variables, batch, key):
        logits, updates = train_apply(model, variables, key, batch.samples, batch.num_samples)
        losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), batch.tone[:, None], 1)[:, 0]
        right = (logits.argmax(-1) == batch.tone).astype(jnp.float32)
        return RowLosses(losses, jnp.ones_like(losses), {"accuracy": right}), updates

    def probs(variables, samples, num_samples):
        return jax.nn.softmax(model.apply(variables, samples, num_samples))

    return Task(
        model=model,
        batch=Clips,
        init=init,
        phases=(Phase(loss),),
        predict=lambda variables, batch: probs(variables, batch.samples, batch.num_samples),
        seconds=lambda batch: batch.num_samples / rate,
        inference=Classification(rate, None, probs),
    )


def tone_of(fields: Mapping[str, Any]) -> str:
    return fields["text"].split()[0]


def accuracy(names: tuple[str, ...]) -> Evaluation:
    def score(found, fields):
        return {"accuracy": sum(name == tone_of(fields[i]) for i, name in found.items()) / max(len(found), 1)}

    return Evaluation(
        lower_is_better=False,
        collect=lambda probs, batch: [names[i] for i in probs.argmax(-1)],
        score=score,
        show=lambda scores: f"accuracy {scores['accuracy']:.1%}",
        sample=lambda name, fields: f"  truth: {tone_of(fields)}\n  found: {name}",
        identity=("text",),
    )


def column(manifest, assets, task) -> dict[str, Column]:
    tones = [tone_of(entry.fields) for entry in manifest]
    usable = np.array([tone in assets["tones"].names for tone in tones])
    return {"tone": Column(np.int32, (), None, usable, lambda i, variant: assets["tones"].names.index(tones[i]))}


JOB = Job(
    source=manifest_with("text"),
    assets=lambda settings, manifest, given: (
        given or {"tones": Tones(tuple(sorted({tone_of(e.fields) for e in manifest})))}
    ),
    sized=lambda model, assets: model | {"num_tones": len(assets["tones"].names)},
    data=recordings(column, need=("text",), identity=("text",)),
    evaluation=lambda settings, assets, task: accuracy(assets["tones"].names),
    adapted=as_it_is,
    describe=lambda assets: f"{len(assets['tones'].names)} tones",
)
NAME = "toy_clips"
KIND = Kind(ClipModel, clip_task, {"features": FEATURES}, values={"num_tones": None})
ASSETS = {"tones": Tones.build}
MODEL = {"task": NAME, "features": {"name": "mel", "num_mels": 16, "dither": 0.0, "normalize": "none"}}
