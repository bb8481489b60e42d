"""Regression: waveform -> features -> SpecAugment -> encoder -> pooling -> one number, for example a rating or an age.

loss = (number - value)^2
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.classification import PooledHead
from jaxspeech.tasks.acoustic import shortest_audio
from jaxspeech.tasks.clip_model import ClipModel
from jaxspeech.tasks.kinds import Regression
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


class ValuedClips(NamedTuple):
    """A padded batch of recordings, each with a number.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      value: the number of each row.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    value: Float[Any, " B"]
    index: Int[Any, " B"]


class ClipRegressor(ClipModel, kw_only=True):
    """A model of clips whose only score is the number."""

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1


def regression_task(model: ClipRegressor) -> Task[ValuedClips, Float[Array, " B"], Regression]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    frontend = model.frontend

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model)))

    def loss(variables: Variables, batch: ValuedClips, key: Key) -> tuple[RowLosses, Variables]:
        scores, updates = train_apply(model, variables, key, batch.samples, batch.num_samples)
        errors = scores[:, 0] - jnp.asarray(batch.value, jnp.float32)
        logged = {"absolute_error": jnp.abs(errors)}
        return RowLosses(jnp.square(errors), jnp.ones_like(errors), logged), updates

    def number(variables: Variables, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Float[Array, " B"]:
        apply: Any = model.apply
        return apply(variables, samples, num_samples)[:, 0]

    return Task(
        model=model,
        batch=ValuedClips,
        init=init,
        phases=(Phase(loss),),
        predict=lambda variables, batch: number(variables, batch.samples, batch.num_samples),
        seconds=lambda batch: batch.num_samples / frontend.sample_rate,
        inference=Regression(frontend.sample_rate, number, shortest_seconds=frontend.window_seconds),
    )


REGRESSION = Kind(
    ClipRegressor,
    regression_task,
    {**TRUNK, "decoder": Part("decoder", {"pooled": PooledHead})},
    MASKS,
    PRODUCTS,
)
