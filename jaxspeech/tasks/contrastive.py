"""Contrastive pretraining: masked audio -> encoder -> which target is that of a masked frame (wav2vec 2.0, w2v-BERT).

loss_b = scale sum_t (contrastive loss_bt + diversity (1 - sum_g perplexity_g / (G V)))      over row b's masked frames
         + weight mean_t nll_bt of the codes at these frames + weight CTC or RNN-T loss_b of the codes of row b

The mean over rows, `loss_reduction` "mean_batch", is NeMo's loss where all rows have the same number of masked frames,
as they have there. A row of which nothing is masked counts 0, but for CTC and RNN-T. The perplexity is that of the
whole batch.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.reconstruction import ReconstructionDecoder
from jaxspeech.features.masked_patches import MaskedPatches
from jaxspeech.losses.contrastive import contrastive_code_loss, contrastive_loss
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.losses.masked import MaskedSums, masked_nll_of_frames
from jaxspeech.losses.negatives import draw_codes, draw_negatives
from jaxspeech.losses.transducer_joint import rnnt_joint_loss
from jaxspeech.masks import length_mask
from jaxspeech.quantizers.gumbel import GumbelQuantizer, LinearTargets, Targets, perplexities
from jaxspeech.quantizers.repeats import merge_repeats
from jaxspeech.tasks.acoustic import shortest_audio
from jaxspeech.tasks.contrastive_model import STEPS, ContrastiveModel, Encoded
from jaxspeech.tasks.contrastive_options import (
    BATCH,
    BATCH_MASKED,
    CODEBOOK,
    UTTERANCE,
    CodePrediction,
    ContrastiveOptions,
    TransducerCodes,
)
from jaxspeech.tasks.kinds import Encoding
from jaxspeech.tasks.parts import PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.pretrain import PredictedCodes, UnlabelledSpeech
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


def contrastive_task(model: ContrastiveModel) -> Task[UnlabelledSpeech, PredictedCodes, Encoding]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    sample_rate, options = model.frontend.sample_rate, model.loss
    apply: Any = model.apply

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model), None, jax.random.split(jax.random.key(0), 1)))

    def loss(variables: Variables, batch: UnlabelledSpeech, key: Key) -> tuple[RowLosses, Variables]:
        key, row_key, batch_key, rnnt_key = jax.random.split(key, 4)
        masks, noises, draws = _keys_of_rows(row_key, batch.index)
        inputs = batch.samples, batch.num_samples, batch.noisy_samples, masks, noises
        (found, targets), updates = train_apply(model, variables, key, *inputs)
        real = jnp.asarray(batch.index) >= 0
        found = found._replace(masked=found.masked & real[:, None], complete=found.complete & real[:, None])
        losses, right = frame_losses(model, found, targets, draws, batch_key)
        count = found.masked.sum(1).astype(jnp.float32)
        total = losses.sum(1)
        share = found.hidden.sum(1) / jnp.maximum(found.num_features, 1)
        logged = {
            "contrastive": _of_all(total, count),
            "accuracy": _of_all(right.sum(1), count),
            "mask_share": share.astype(jnp.float32),
        }
        if isinstance(model.quantizer, GumbelQuantizer):
            used = perplexities(targets.logits, found.complete)
            uneven = 1 - used.sum() / (model.quantizer.groups * model.quantizer.size)
            total = total + options.diversity * uneven * count
            logged["codebook_perplexity"] = used.mean()
        total = options.scale * total
        step = variables[STEPS]["count"][0]
        if (chosen := model.masked_codes) is not None:
            sums = masked_code_sums(model, variables, found, targets)
            total += _weight(chosen, step) * sums.losses / jnp.maximum(sums.count, 1)
            logged["code_loss"] = _of_all(sums.losses, sums.count)
            logged["code_accuracy"] = _of_all(sums.correct, sums.count)
        if (chosen := model.ctc_codes) is not None:
            of_ctc = ctc_code_losses(model, variables, found, targets, chosen)
            total += _weight(chosen, step) * of_ctc
            logged["ctc"] = of_ctc
        if (chosen := model.rnnt_codes) is not None:
            of_rnnt = rnnt_code_losses(model, variables, found, targets, chosen, rnnt_key)
            total += _weight(chosen, step) * of_rnnt
            logged["rnnt"] = of_rnnt
        every = {name: jnp.broadcast_to(value, total.shape).astype(jnp.float32) for name, value in logged.items()}
        return RowLosses(total, count, every), updates

    def predict(variables: Variables, batch: UnlabelledSpeech) -> PredictedCodes:
        """Compares with negatives of the utterance alone, so that a score does not depend on the batches."""
        masks, _, draws = _keys_of_rows(jax.random.key(0), batch.index)
        found, targets = apply(variables, batch.samples, batch.num_samples, batch.noisy_samples, masks)
        losses, right = frame_losses(model, found, targets, draws, None)
        return PredictedCodes(
            losses.sum(1),
            right.sum(1).astype(jnp.float32),
            found.masked.sum(1).astype(jnp.float32),
            found.hidden.sum(1),
            found.num_features,
            targets.ids,
            found.complete.sum(1),
        )

    def encode(variables: Variables, samples: Any, num_samples: Any) -> tuple[Array, Array]:
        return apply(variables, samples, num_samples, method="encode")

    return Task(
        model=model,
        batch=UnlabelledSpeech,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=Encoding(
            sample_rate, model.frame_seconds, model.encoder.output_dim, encode, model.frontend.window_seconds
        ),
    )


def frame_losses(
    model: ContrastiveModel, found: Encoded, targets: Targets, keys: Key, batch_key: Key | None
) -> tuple[Float[Array, "B N"], Bool[Array, "B N"]]:
    """Computes the contrastive loss of each masked frame, and whether its target is found.

    Args:
      model: the model.
      found, targets: what it computed.
      keys: one for each row, of its negatives.
      batch_key: of negatives of the batch; None: they are drawn from each row instead.
    """
    options, masked = model.loss, found.masked
    number, temperature = options.num_negatives, options.temperature
    rows, frames = masked.shape
    if options.negatives == CODEBOOK and isinstance(model.quantizer, GumbelQuantizer):
        size, groups = model.quantizer.size, model.quantizer.groups
        drawn = draw_codes(keys, frames=frames, number=number, size=size, groups=groups)
        same: Any = targets.same
        return contrastive_code_loss(
            found.outputs, same, targets.codes, drawn, targets.values, masked, temperature=temperature
        )
    real = jnp.arange(frames) < found.num_outputs[:, None]
    parts = [found.outputs, targets.values, targets.same, masked]
    candidates = real if options.negatives in (UTTERANCE, BATCH) else masked
    whole = options.negatives in (BATCH, BATCH_MASKED) and batch_key is not None
    if whole:
        *parts, candidates = (part.reshape(1, rows * frames, *part.shape[2:]) for part in (*parts, candidates))
        keys = batch_key[None]  # pyright: ignore[reportOptionalSubscript]
    outputs, values, same, masked = parts
    most = masked.shape[1]
    drawn = draw_negatives(keys, candidates.sum(1), frames=most, most=most, number=number)
    losses, right = contrastive_loss(
        outputs, values, drawn, masked, candidates=candidates, same=same, temperature=temperature
    )
    return losses.reshape(rows, frames), right.reshape(rows, frames)


def masked_code_sums(model: ContrastiveModel, variables: Variables, found: Encoded, targets: Targets) -> MaskedSums:
    """Computes the negative log-likelihoods of the codes at the masked frames."""
    apply: Any = model.apply

    def score(encoded: Float[Array, "B K D"]) -> Float[Array, "B K V 1"]:
        return apply(variables, encoded, method="masked_logits")[..., None]

    return masked_nll_of_frames(score, found.for_masked, model.code_ids(targets)[..., None], found.masked)


def ctc_code_losses(
    model: ContrastiveModel, variables: Variables, found: Encoded, targets: Targets, chosen: CodePrediction
) -> Float[Array, " B"]:
    """Computes the CTC losses of the codes of each row; 0 where they do not fit."""
    apply: Any = model.apply
    logits = apply(variables, found.for_ctc, method="ctc_logits")
    ids, count = model.code_ids(targets), found.num_outputs
    if chosen.merge_repeats:
        ids, count = merge_repeats(ids, count)
    losses = ctc_loss(logits, found.num_frames, ids, count, blank_id=model.quantizer.num_ids)
    return jnp.where(jnp.isfinite(losses), losses, 0.0)


def rnnt_code_losses(
    model: ContrastiveModel,
    variables: Variables,
    found: Encoded,
    targets: Targets,
    chosen: TransducerCodes,
    key: Key | None,
) -> Float[Array, " B"]:
    """Computes the RNN-T losses of the codes of each row; 0 for a row without frames. No key: without dropout."""
    apply: Any = model.apply
    ids, count = model.code_ids(targets), found.num_outputs
    if chosen.merge_repeats:
        ids, count = merge_repeats(ids, count)
    ids = jnp.where(length_mask(count, ids.shape[1]), ids, 0)
    train = {} if key is None else {"train": True, "rngs": {"dropout": key}}
    inputs = apply(variables, found.for_rnnt, ids, method="rnnt_inputs", **train)
    losses = rnnt_joint_loss(
        *inputs[:4],
        found.num_frames,
        ids,
        count,
        blank_id=model.quantizer.num_ids,
        activation=chosen.activation,
        dropout=chosen.joint_dropout if key is not None else 0.0,
        key=key,
    )
    return jnp.where(jnp.isfinite(losses), losses, 0.0)


def _keys_of_rows(key: Key, index: Int[Any, " B"]) -> tuple[Key, Key, Key]:
    """Draws keys for each row's mask, noise and negatives, which depend on its number alone."""
    keys = jax.vmap(lambda row: jax.random.split(jax.random.fold_in(key, row), 3))(jnp.asarray(index))
    return keys[:, 0], keys[:, 1], keys[:, 2]


def _weight(chosen: CodePrediction, step: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.where(step >= chosen.first_step, chosen.weight, 0.0)


def _of_all(total: Array, count: Array) -> Float[Array, ""]:
    return total.sum() / jnp.maximum(count.sum(), 1)


CONTRASTIVE = Kind(
    ContrastiveModel,
    contrastive_task,
    {
        **TRUNK,
        "quantizer": Part("quantizer", {"gumbel": GumbelQuantizer, "linear": LinearTargets}),
        "decoder": Part("decoder", {"reconstruction": ReconstructionDecoder}),
    },
    {
        "masking": MaskedPatches,
        "loss": ContrastiveOptions,
        "masked_codes": CodePrediction,
        "ctc_codes": CodePrediction,
        "rnnt_codes": TransducerCodes,
    },
    PRODUCTS,
)
