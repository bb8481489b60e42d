"""The loss of a transducer: RNN-T, TDT or multi-blank, as the fields of its decoder say, from the joint's inputs."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.transducer import JointInputs, TransducerDecoder
from jaxspeech.errors import ConfigError
from jaxspeech.losses.topology import WildcardMode, wildcard_of
from jaxspeech.losses.transducer_joint import multiblank_rnnt_joint_loss, rnnt_joint_loss, tdt_joint_loss
from jaxspeech.tasks.recognition import Utterances, without_other_languages
from jaxspeech.types import Key


@dataclass(frozen=True)
class TransducerLoss:
    """Options of the loss.

    Attributes:
      fastemit: weight of FastEmit (Yu et al., 2021).
      clamp: largest absolute gradient of a logit; no limit if not positive.
      sigma: for TDT and multi-blank, subtracted from every token's log-probability (logit under-normalisation, Xu et
        al., 2023).
      omega: fraction of the steps that train a TDT as an RNN-T, on its tokens only.
      wildcard: "force_final" or "allow_ignore" trains on transcripts that may lack words at the beginning and the end
        (W-Transducer, see `losses.transducer.rnnt_loss`); "none" is for complete ones. Not with big blanks.
      wildcard_weight: added to a path's log-probability where it skips frames.
    """

    fastemit: float = 0.0
    clamp: float = -1.0
    sigma: float = 0.0
    omega: float = 0.0
    wildcard: WildcardMode = "none"
    wildcard_weight: float = 0.0

    def __post_init__(self) -> None:
        wildcard_of(self.wildcard, self.wildcard_weight)


def check_loss(decoder: TransducerDecoder, options: TransducerLoss) -> None:
    """Checks the options against the decoder.

    Raises:
      ConfigError: they contradict each other.
    """
    if decoder.big_blanks and options.wildcard != "none":
        raise ConfigError(f"loss.wildcard {options.wildcard!r}: not with decoder.big_blanks")


def transducer_losses(
    model: Any, inputs: JointInputs, num_frames: Int[Array, " B"], batch: Utterances, key: Key
) -> Float[Array, " B"]:
    """Computes the loss of each row: RNN-T, TDT or multi-blank, as the decoder's fields say.

    Args:
      model: the model that computed the inputs, with the options `loss`.
      inputs, num_frames: from `joint_inputs`.
      batch: the batch with the labels.
      key: for the joint's dropout, and for TDT's omega.
    """
    decoder, options = model.decoder, model.loss
    draw_key, dropout_key = jax.random.split(key)
    lengths_and_labels = (num_frames, decoder.joint_labels(batch.labels), batch.num_labels)
    shared = {
        "blank_id": decoder.joint_blank,
        "activation": decoder.joint_activation,
        "dropout": decoder.joint_dropout,
        "key": dropout_key,
        "fastemit": options.fastemit,
        "clamp": options.clamp,
    }
    skips = {"wildcard": options.wildcard, "wildcard_weight": options.wildcard_weight}

    def rnnt(inputs: JointInputs) -> Float[Array, " B"]:
        return rnnt_joint_loss(
            *inputs[:4], *lengths_and_labels, adapters=inputs.adapters, **shared, **skips, hat=decoder.hat
        )

    if decoder.big_blanks:
        return multiblank_rnnt_joint_loss(
            *inputs[:4],
            *lengths_and_labels,
            **shared,
            adapters=inputs.adapters,
            big_blank_durations=decoder.big_blanks,
            sigma=options.sigma,
        )
    if not decoder.durations:
        return without_other_languages(rnnt(inputs), decoder.tokens, batch)

    def tdt(inputs: JointInputs) -> Float[Array, " B"]:
        timed = {"durations": decoder.durations, "sigma": options.sigma}
        return tdt_joint_loss(
            *inputs[:4], *lengths_and_labels, adapters=inputs.adapters, **shared, **timed, **skips, hat=decoder.hat
        )

    def tokens_alone(inputs: JointInputs) -> Float[Array, " B"]:
        num_tokens = decoder.blank_id + 1
        return rnnt(inputs._replace(kernel=inputs.kernel[:, :num_tokens], bias=inputs.bias[:num_tokens]))

    if options.omega == 0:
        return tdt(inputs)
    # One draw for the whole batch, as in NeMo.
    return jax.lax.cond(jax.random.uniform(draw_key) < options.omega, tokens_alone, tdt, inputs)
