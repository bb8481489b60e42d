"""The losses of a vocoder's two phases, of each row.

    discriminator:  D(real), D(G(mel))     -> discriminator loss
    generator:      D(G(mel)), D(real)     -> generator loss + feature loss, and + 45 * mean |mel' - mel'(G(mel))|
                                              + the loss of the pitch, if the generator predicts one

The forward pass of the generator is the same in both phases, so that XLA computes it once in a step.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.losses.adversarial import discriminator_loss, feature_loss, generator_loss
from jaxspeech.tasks.discriminators import AllSeen, NoDiscriminators
from jaxspeech.tasks.vocoder_model import Recordings, VocoderModel
from jaxspeech.types import RowLosses, Variables

DISCRIMINATOR, GENERATOR = "^discriminators/", "^generator/"


def scores_of(seen: AllSeen) -> list[tuple[Array, Array]]:
    """The scores of all discriminators, [B T], with their masks."""
    return [(one.layers[-1][..., 0], one.masks[-1]) for kind in seen.values() for one in kind]


def layers_of(seen: AllSeen) -> list[tuple[Array, Array]]:
    """The outputs of all layers of all discriminators, scores included, with their masks."""
    return [pair for kind in seen.values() for one in kind for pair in zip(one.layers, one.masks, strict=True)]


def discriminator_losses(
    model: VocoderModel, variables: Variables, real: Recordings, *, train: bool
) -> tuple[RowLosses, Variables]:
    """Computes the discriminators' losses of each row, and with `train` the new vectors of their spectral norms."""
    apply: Any = model.apply
    made, _ = jax.lax.stop_gradient(apply(variables, real, method="made_again"))
    # Real and generated rows side by side: larger products, and one step of the spectral norms.
    both, lengths = jnp.concatenate([real.samples, made]), jnp.concatenate([real.num_samples] * 2)
    mutable = [name for name in variables if name != "params"] if train else []
    seen, updates = apply(variables, both, lengths, train=train, method="judge", mutable=mutable)
    count = made.shape[0]
    of_real, of_made = (_rows(seen, *part) for part in ((0, count), (count, 2 * count)))
    logged = {
        name: discriminator_loss(
            scores_of({name: of_real[name]}), scores_of({name: of_made[name]}), distance=model.loss.distance
        )
        for name in seen
    }
    return _row_losses(sum(logged.values(), jnp.zeros(count)), real, logged), dict(updates)


def generator_losses(model: VocoderModel, variables: Variables, real: Recordings, *, left_out: int = 0) -> RowLosses:
    """Computes the generator's losses of each row; `left_out` is as in `mel_distance`."""
    apply: Any = model.apply
    options = model.loss
    made, logged = apply(variables, real, method="made_again")
    losses = sum(logged.values(), jnp.zeros(made.shape[0]))
    logged["mel"] = model.mel_distance(made, real.samples, real.num_samples, left_out)
    losses += options.mel_weight * logged["mel"]
    if not isinstance(model.discriminators, NoDiscriminators):
        of_made = apply(variables, made, real.num_samples, method="judge")
        of_real = jax.lax.stop_gradient(apply(variables, real.samples, real.num_samples, method="judge"))
        logged["adversarial"] = generator_loss(scores_of(of_made), distance=options.distance)
        logged["features"] = feature_loss(layers_of(of_real), layers_of(of_made))
        losses += options.adversarial_weight * logged["adversarial"] + options.feature_weight * logged["features"]
    return _row_losses(losses, real, logged)


def _row_losses(losses: Float[Array, " B"], real: Recordings, logged: dict[str, Array]) -> RowLosses:
    # Nothing can be learned from a row without a frame.
    losses = jnp.where(real.num_frames > 0, losses, jnp.inf)
    return RowLosses(losses, real.num_frames.astype(jnp.float32), logged)


def _rows(seen: AllSeen, first: int, last: int) -> AllSeen:
    return {name: tuple(one.rows(first, last) for one in kind) for name, kind in seen.items()}
