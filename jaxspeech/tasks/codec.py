"""Neural codec: waveforms -> encoder -> frames -> quantizer -> ids -> values -> decoder -> waveforms.

Training, in two updates of each step if there are discriminators:

    discriminator   of the samples and what became of them
    generator       distances of mels, spectra and samples + the discriminators' scores and features + commitment
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.codec import CodecDecoder
from jaxspeech.encoders.codec import CodecEncoder
from jaxspeech.losses.adversarial import discriminator_loss, generator_loss
from jaxspeech.losses.feature_matching import feature_matching_loss
from jaxspeech.quantizers.codebook import CODEBOOKS
from jaxspeech.quantizers.fsq import FSQ
from jaxspeech.quantizers.residual import ResidualVQ
from jaxspeech.tasks.branches import without_parts
from jaxspeech.tasks.codec_discriminators import CodecDiscriminators, seen_in
from jaxspeech.tasks.codec_loss import CodecLoss, mel_distances, reconstruction
from jaxspeech.tasks.codec_model import CodecModel
from jaxspeech.tasks.kinds import Coding
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.waveforms import Waveforms
from jaxspeech.types import Key, Phase, RowLosses, Variables


class Coded(NamedTuple):
    """What became of recordings.

    Attributes:
      samples, num_samples: decoded, of whole frames; zero beyond them.
      ids, num_frames: of the codes.
      mel: the distance of the samples and the recordings, see `tasks.codec_loss.mel_distances`.
    """

    samples: Float[Array, "B S"]
    num_samples: Int[Array, " B"]
    ids: Int[Array, "B C T"]
    num_frames: Int[Array, " B"]
    mel: Float[Array, " B"]


def codec_task(model: CodecModel) -> Task[Waveforms, Coded, Coding]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    apply: Any = model.apply
    rate, terms = model.sample_rate, model.loss

    def init(key: Key) -> Variables:
        # Long enough for the reflections of all layers.
        size = 16 * model.frame_samples
        return dict(model.init(key, jnp.zeros((1, size)), jnp.array([size])))

    def coded(variables: Variables, batch: Waveforms, key: Key | None) -> tuple[Any, Variables]:
        """The results of the model, and with a key the new codebooks."""
        # Of filler rows codebooks shall not learn.
        num_samples = jnp.where(jnp.asarray(batch.index) >= 0, batch.num_samples, 0)
        if key is None or CODEBOOKS not in variables:
            return apply(variables, batch.samples, num_samples, train=key is not None), {}
        found, updates = apply(
            variables, batch.samples, num_samples, train=True, rngs={"codes": key}, mutable=[CODEBOOKS]
        )
        return found, dict(updates)

    def judge(variables: Variables, samples: Array, num_samples: Array) -> Any:
        return apply(variables, samples, num_samples, method="judge")

    def discriminate(variables: Variables, batch: Waveforms, key: Key) -> tuple[RowLosses, Variables]:
        (decoded, samples, num_samples, _), _ = coded(variables, batch, key)
        decoded = jax.lax.stop_gradient(decoded)
        real, generated = (seen_in(judge(variables, x, num_samples)) for x in (samples, decoded))
        scores = [layers[-1] for layers in real], [layers[-1] for layers in generated]
        # NeMo takes the mean over the discriminators, and over real and generated audio.
        losses = discriminator_loss(*scores, distance=terms.distance) / (2 * len(real))
        return RowLosses(losses, jnp.ones_like(losses), {}), {}

    def generate(variables: Variables, batch: Waveforms, key: Key) -> tuple[RowLosses, Variables]:
        (decoded, samples, num_samples, quantized), updates = coded(variables, batch, key)
        found = reconstruction(decoded, samples, num_samples, terms, rate)
        if terms.commitment and CODEBOOKS in variables:
            found["commitment"] = quantized.commitment
        if model.discriminator is not None:
            still = {**variables, "params": jax.lax.stop_gradient(variables["params"])}
            generated = seen_in(judge(still, decoded, num_samples))
            if terms.adversarial:
                scores = [layers[-1] for layers in generated]
                found["adversarial"] = generator_loss(scores, distance=terms.distance) / len(scores)
            if terms.features:
                real = seen_in(judge(still, samples, num_samples))
                found["features"] = feature_matching_loss(real, generated, kind=terms.features_kind)
        losses = sum((getattr(terms, name) * value for name, value in found.items()), jnp.zeros(len(num_samples)))
        # Of silence there is nothing to learn.
        losses = jnp.where(num_samples > 0, losses, jnp.inf)
        return RowLosses(losses, jnp.ones_like(losses), found), updates

    def predict(variables: Variables, batch: Waveforms) -> Coded:
        (decoded, samples, num_samples, quantized), _ = coded(variables, batch, None)
        mel, _ = mel_distances(decoded, samples, num_samples, terms, rate)
        return Coded(decoded, num_samples, quantized.ids, num_samples // model.frame_samples, mel)

    phases = (Phase(generate),)
    if model.discriminator is not None:
        phases = (
            Phase(discriminate, trains="^discriminator/", name="discriminator"),
            Phase(generate, trains="^(encoder|quantizer|decoder)/", name="generator"),
        )
    return Task(
        model=model,
        batch=Waveforms,
        init=init,
        phases=phases,
        predict=predict,
        seconds=lambda batch: batch.num_samples / rate,
        inference=Coding(
            sample_rate=rate,
            frame_samples=model.frame_samples,
            num_codebooks=model.quantizer.num_codebooks,
            codebook_size=model.quantizer.size,
            encode=lambda variables, samples, num_samples: apply(variables, samples, num_samples, method="encode"),
            decode=lambda variables, ids, num_frames: apply(variables, ids, num_frames, method="decode"),
            causal=model.decoder.padding == "causal",
        ),
        used=lambda variables: without_parts(variables, "discriminator"),
    )


CODEC = Kind(
    CodecModel,
    codec_task,
    {
        "encoder": Part("encoder", {"codec": CodecEncoder}),
        "quantizer": Part("quantizer", {"fsq": FSQ, "residual": ResidualVQ}),
        "decoder": Part("decoder", {"codec": CodecDecoder}),
    },
    {"loss": CodecLoss, "discriminator": CodecDiscriminators},
    {"sample_rate": None},
)
