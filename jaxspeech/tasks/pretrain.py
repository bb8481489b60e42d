"""Pretraining without labels: masked and noisy audio -> encoder -> the codes of the clean audio (NEST, BEST-RQ).

loss_b = sum over the masked frames of row b of the negative log-likelihood of the clean frame's code

A row's weight is the number of these frames, so that with `loss_reduction` "mean_volume" every masked frame of a batch
counts the same, as in NeMo. A row of which nothing is masked counts 0.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.softmax import CodeSoftmax
from jaxspeech.features.block_mask import BlockMask
from jaxspeech.features.random_projection import RandomProjection
from jaxspeech.tasks.acoustic import shortest_audio
from jaxspeech.tasks.kinds import Encoding
from jaxspeech.tasks.masked_model import Masked, MaskedModel
from jaxspeech.tasks.parts import PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables

# What is trained of a model whose targets come from its own subsampling.
LAYERS_AND_HEAD = "^(?!encoder/subsampling/)"


class UnlabelledSpeech(NamedTuple):
    """A padded batch of recordings.

    Attributes:
      samples: clean waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      noisy_samples: the same with noise or with other speakers, of the same length; None: they are as they are.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    index: Int[Any, " B"]
    noisy_samples: Float[Any, "B S"] | None = None


class PredictedCodes(NamedTuple):
    """How well the codes of masked frames are predicted.

    Attributes:
      losses: sums over the selected frames, in nats.
      correct: of these frames; the share of the books counts.
      selected: the number of these frames.
      masked, maskable: the numbers of masked frames and of all real frames where the mask is.
      ids: the codes of all frames.
      num_ids: of each row; a group of frames that is not complete is not counted.
    """

    losses: Float[Array, " B"]
    correct: Float[Array, " B"]
    selected: Float[Array, " B"]
    masked: Int[Array, " B"]
    maskable: Int[Array, " B"]
    ids: Int[Array, "B N H"]
    num_ids: Int[Array, " B"]


def pretrain_task(model: MaskedModel) -> Task[UnlabelledSpeech, PredictedCodes, Encoding]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    sample_rate = model.frontend.sample_rate
    apply: Any = model.apply
    in_encoder = model.mask_position == "subsampled"
    group = 1 if in_encoder else model.encoder.total_factor

    def init(key: Key) -> Variables:
        samples, num_samples = shortest_audio(model)
        return dict(model.init(key, samples, num_samples, None, jnp.zeros(1, jnp.int32), jax.random.key(0)))

    def loss(variables: Variables, batch: UnlabelledSpeech, key: Key) -> tuple[RowLosses, Variables]:
        key, mask_key = jax.random.split(key)
        inputs = batch.samples, batch.num_samples, batch.noisy_samples, batch.index, mask_key
        (found, sums), updates = train_apply(model, variables, key, *inputs)
        real = jnp.asarray(batch.index) >= 0
        count = jnp.where(real, sums.count, 0).sum()
        logged = {
            "accuracy": jnp.where(real, sums.correct, 0).sum() / jnp.maximum(count, 1),
            **code_use(found, real, group=group, num_codes=model.quantizer.num_codes),
        }
        share = found.mask.sum(1) / jnp.maximum(found.num_masked_of, 1)
        every = {name: jnp.broadcast_to(value, share.shape) for name, value in logged.items()}
        return RowLosses(sums.losses, sums.count, {**every, "mask_share": share.astype(jnp.float32)}), updates

    def predict(variables: Variables, batch: UnlabelledSpeech) -> PredictedCodes:
        inputs = batch.samples, batch.num_samples, batch.noisy_samples, batch.index
        found, sums = apply(variables, *inputs, jax.random.key(0))
        return PredictedCodes(
            *(sums.losses, sums.correct, sums.count),
            *(found.mask.sum(1), found.num_masked_of),
            *(found.ids, found.num_masked_of // group),
        )

    def encode(variables: Variables, samples: Any, num_samples: Any) -> tuple[Array, Array]:
        return apply(variables, samples, num_samples, method="encode")

    return Task(
        model=model,
        batch=UnlabelledSpeech,
        init=init,
        phases=(Phase(loss, trains=LAYERS_AND_HEAD if in_encoder else ""),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=Encoding(
            sample_rate, model.frame_seconds, model.encoder.output_dim, encode, model.frontend.window_seconds
        ),
    )


def code_use(found: Masked, real: Any, *, group: int, num_codes: int) -> dict[str, Float[Array, ""]]:
    """Computes how evenly the codes of a batch are used, a mean over the books.

    Returns:
      code_perplexity: exp of the entropy of the codes, at most their number; dead_codes: the share that does not occur.
    """
    _, frames, books = found.ids.shape
    complete = jnp.arange(frames) < (found.num_masked_of // group)[:, None]
    weight = jnp.broadcast_to((complete & real[:, None])[:, :, None], found.ids.shape).astype(jnp.float32)
    place = found.ids + num_codes * jnp.arange(books)
    counts = jnp.zeros(books * num_codes).at[place.reshape(-1)].add(weight.reshape(-1)).reshape(books, num_codes)
    share = counts / jnp.maximum(counts.sum(1, keepdims=True), 1)
    entropy = -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0), 1)
    return {"code_perplexity": jnp.exp(entropy).mean(), "dead_codes": (counts == 0).mean(dtype=jnp.float32)}


PRETRAIN = Kind(
    MaskedModel,
    pretrain_task,
    {
        **TRUNK,
        "quantizer": Part("quantizer", {"random_projection": RandomProjection}),
        "masking": Part("masking", {"blocks": BlockMask}),
        "decoder": Part("decoder", {"softmax": CodeSoftmax}),
    },
    values={"mask_position": None, "mask_threshold": None, **PRODUCTS},
)
