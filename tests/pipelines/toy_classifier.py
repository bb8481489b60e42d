"""The smallest classification task: mel features through one matrix, for a recording or for each of its frames."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech import assets, builder
from jaxspeech.archive import Archive
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.tasks.kinds import Classification
from jaxspeech.tasks.parts import FEATURES, Kind
from jaxspeech.tasks.task import Task

RATE = 16000
NAMES = ("dog", "cat", "bird")
CLIPS = {"task": "toy_clips", "features": {"name": "mel", "num_mels": 16, "normalize": "none"}}
FRAMES = CLIPS | {"task": "toy_frames"}


class Names:
    """An asset."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def config(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    def files(self) -> dict[str, bytes]:
        return {}


class ToyBatch(NamedTuple):
    samples: Any
    num_samples: Any
    index: Any


class ToyModel(nn.Module):
    frontend: MelSpectrogram

    @nn.compact
    def __call__(self, samples: Any, num_samples: Any, *, frames: bool) -> Any:
        features, num_frames = self.frontend(samples, num_samples)
        real = jnp.arange(features.shape[1]) < num_frames[:, None]
        features = jnp.where(real[..., None], features, 0.0)
        if not frames:
            features = features.sum(1) / num_frames[:, None]
        return nn.softmax(nn.Dense(len(NAMES), name="out")(features)), num_frames


def toy_task(model: ToyModel, *, frames: bool) -> Task[ToyBatch, Any, Classification]:
    def probs(variables: Any, samples: Any, num_samples: Any) -> Any:
        found, num_frames = model.apply(variables, samples, num_samples, frames=frames)
        return (found, num_frames) if frames else found

    def init(key: Any) -> Any:
        return model.init(key, jnp.zeros((1, RATE)), jnp.array([RATE]), frames=frames)

    return Task(
        model=model,
        batch=ToyBatch,
        init=init,
        phases=(),
        predict=lambda variables, batch: probs(variables, batch.samples, batch.num_samples),
        seconds=lambda batch: batch.num_samples / RATE,
        inference=Classification(RATE, 0.01 if frames else None, probs),
    )


def add_toy_tasks(patch: pytest.MonkeyPatch) -> None:
    """Adds two tasks to the table of tasks, and their asset to that of assets."""
    for config, frames in ((CLIPS, False), (FRAMES, True)):
        kind = Kind(ToyModel, functools.partial(toy_task, frames=frames), {"features": FEATURES})
        patch.setitem(builder.TASKS, config["task"], kind)
    patch.setitem(assets.BUILDERS, "classes", lambda config, files: Names(tuple(config["names"])))


def toy_archive(config: dict[str, Any], names: tuple[str, ...] | None = NAMES) -> Archive:
    """A random model; the toy tasks must be in the table."""
    variables = jax.device_get(jax.jit(builder.build(config).init)(jax.random.key(0)))
    return Archive(config, {} if names is None else {"classes": Names(names)}, variables, {"by": "test"})


def expected_probabilities(archive: Archive, samples: np.ndarray, *, frames: bool) -> np.ndarray:
    """Computes one recording without padding, with the matrix product in NumPy."""
    mel = MelSpectrogram(num_mels=16, normalize="none")
    features, num_frames = mel.apply({}, samples[None], np.array([len(samples)]))
    features = np.asarray(features)[0, : int(num_frames[0])].astype(np.float64)
    out = archive.variables["params"]["out"]
    logits = (features if frames else features.mean(0)) @ out["kernel"] + out["bias"]
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)
