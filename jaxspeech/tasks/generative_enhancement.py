"""Generative enhancement: a network follows a random process from the noisy spectrum, or from noise, to the clean one.

Training: both spectra -> a time and noise -> the state of the process then -> what the network estimates -> loss.
Use: the noisy spectrum -> a sampler, which calls the network many times -> inverse STFT.

The kinds, by their process: score (`ou_ve`), flow matching (`flow`) and Schroedinger bridge (`bridge_ve`, `bridge_vp`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from jaxspeech.encoders.ncsnpp import NCSNPlusPlus
from jaxspeech.encoders.transformer_unet import TransformerUNet
from jaxspeech.features.patches import Patches
from jaxspeech.features.stft import STFT, istft
from jaxspeech.masks import length_mask
from jaxspeech.processes.noise import rows_noise
from jaxspeech.processes.sampler import Draw, sample
from jaxspeech.tasks.enhancement import EPSILON, EnhancementRows
from jaxspeech.tasks.generative_model import DISTANCES, PROCESSES, SAMPLERS, Encoded, GenerativeLoss, GenerativeModel
from jaxspeech.tasks.kinds import Enhancement
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


class Draws(NamedTuple):
    """The random numbers of a training step.

    Attributes:
      time: of the process.
      noise: complex normal of variance 1.
      shown: the frames of the noisy spectrum that the network is shown.
    """

    time: Float[Array, " B"]
    noise: Complex[Array, "B C N F"]
    shown: Bool[Array, "B N"]


def drawn(model: GenerativeModel, key: Key, encoded: Encoded, index: Int[Any, " B"]) -> Draws:
    """Draws what a training step needs. A row's draws depend on its place in the dataset, not on its batch."""
    rows, channels, frames, bins = encoded.spectra.shape
    keys = jax.vmap(lambda row: jax.random.split(jax.random.fold_in(key, row), 4))(jnp.asarray(index))
    low, high = model.process.time_min, model.process.time_max
    time = jax.vmap(lambda key: jax.random.uniform(key, minval=low, maxval=high))(keys[:, 0])
    kept = jax.vmap(lambda key: jax.random.uniform(key) < model.condition_rate)(keys[:, 2])
    shown = jnp.broadcast_to(kept[:, None], (rows, frames))
    if model.pretraining is not None:
        shown &= model.pretraining.drawn(keys[:, 3], encoded.num_frames, frames)
    return Draws(time, rows_noise(keys[:, 1], encoded.num_frames, channels, frames, bins), shown)


def generative_losses(
    model: GenerativeModel, variables: Variables, batch: EnhancementRows, draws: Draws, noisy: Encoded, key: Key
) -> tuple[RowLosses, Variables]:
    """Computes the loss of each row, given the draws; the key is for dropout."""
    targets, num_samples = jnp.asarray(batch.targets), jnp.asarray(batch.num_samples)
    clean = model.encode(targets, num_samples, noisy.scale).spectra
    state, target, factor = model.process.example(clean, noisy.spectra, draws.time, draws.noise)
    shown = jnp.where(draws.shown[:, None, :, None], noisy.spectra, 0)
    estimates, updates = train_apply(model, variables, key, state, shown, noisy.num_frames, draws.time)
    options = model.loss
    losses = DISTANCES[options.spectrum](factor * estimates, target, noisy.num_frames)
    logged = {"spectrum": losses} if options.waveform_weight else {}
    losses = options.spectrum_weight * losses
    if options.waveform_weight:
        real = length_mask(num_samples, targets.shape[-1])[:, None]
        waveforms = istft(estimates, num_samples, model.stft, size=targets.shape[-1])
        scaled = jnp.where(real, targets, 0.0) / noisy.scale
        logged["waveform"] = DISTANCES[options.waveform](waveforms, scaled, num_samples)
        losses += options.waveform_weight * logged["waveform"]
    return RowLosses(losses, jnp.ones_like(losses), logged), updates


def generate(
    model: GenerativeModel,
    variables: Variables,
    noisy: Complex[Array, "B C N F"],
    num_frames: Int[Array, " B"],
    draw: Draw,
    hidden: Bool[Array, " N"] | None = None,
) -> Complex[Array, "B C N F"]:
    """Follows the process with the model's sampler.

    Args:
      model, variables: the model.
      noisy, num_frames: the spectra, zero beyond each row's frames.
      draw: number of a draw -> noise, zero beyond them too; see `processes.sampler.sample`.
      hidden: frames of the noisy spectrum that the network is not shown.
    """
    apply: Any = model.apply
    shown = jnp.zeros_like(noisy) if model.condition_rate == 0 else noisy
    if hidden is not None:
        shown = jnp.where(hidden[:, None], 0, shown)

    def network(state: Any, time: Float[Array, ""]) -> Complex[Array, "B C N F"]:
        return apply(variables, state, shown, num_frames, jnp.full(state.shape[0], time))

    end = sample(model.sampler, model.process, network, noisy, draw)
    return end.mean if model.sampler.output == "mean" else end.state


def generative_task(model: GenerativeModel) -> Task[EnhancementRows, Any, Enhancement]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""

    def init(key: Key) -> Variables:
        spectra = jnp.zeros((1, model.channels, 4, model.stft.num_bins), jnp.complex64)
        return dict(model.init(key, spectra, spectra, jnp.array([4]), jnp.ones(1)))

    def loss(variables: Variables, batch: EnhancementRows, key: Key) -> tuple[RowLosses, Variables]:
        draw_key, dropout_key = jax.random.split(key)
        noisy = model.encode(batch.samples, batch.num_samples)
        draws = drawn(model, draw_key, noisy, batch.index)
        return generative_losses(model, variables, batch, draws, noisy, dropout_key)

    def enhanced(variables: Variables, samples: Any, num_samples: Any, peak: Any, key: Any, masked: bool) -> Array:
        num_samples = jnp.asarray(num_samples)
        scale = None if peak is None or not model.normalize_input else jnp.asarray(peak)[:, None, None] + EPSILON
        noisy = model.encode(samples, num_samples, scale)
        rows, channels, frames, bins = noisy.spectra.shape
        # By default the same for all rows: a recording's result does not depend on its place in a batch.
        keys = jnp.broadcast_to(jax.random.key(0) if key is None else key, (rows,))

        def draw(number: Int[Array, ""]) -> Complex[Array, "B C N F"]:
            own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
            return rows_noise(own, noisy.num_frames, channels, frames, bins)

        hidden = ~model.pretraining.fixed(frames) if masked and model.pretraining is not None else None
        spectra = generate(model, variables, noisy.spectra, noisy.num_frames, draw, hidden)
        return istft(spectra, num_samples, model.stft, size=jnp.shape(samples)[-1]) * noisy.scale

    def enhance(
        variables: Variables, samples: Any, num_samples: Any, *, peak: Any = None, key: Any = None
    ) -> Float[Array, "B M S"]:
        return enhanced(variables, samples, num_samples, peak, key, masked=False)

    def predict(variables: Variables, batch: EnhancementRows) -> Float[Array, "B M S"]:
        """In pretraining with hidden frames, always the same ones."""
        return enhanced(variables, batch.samples, batch.num_samples, None, None, masked=True)

    return Task(
        model=model,
        batch=EnhancementRows,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / model.sample_rate,
        inference=Enhancement(model.sample_rate, model.channels, enhance, scaled=model.normalize_input, random=True),
    )


GENERATIVE_ENHANCEMENT = Kind(
    GenerativeModel,
    generative_task,
    {
        "estimator": Part("estimator", {"ncsnpp": NCSNPlusPlus, "transformer_unet": TransformerUNet}),
        "process": Part("process", PROCESSES),
        "sampler": Part("sampler", SAMPLERS),
    },
    {"stft": STFT, "loss": GenerativeLoss, "pretraining": Patches},
    {"sample_rate": None, "normalize_input": None, "condition_rate": None},
)
